"""Operators add venues, services and slots, and change capacities and prices."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID, uuid4

from reference_system.booking.audit import store as audit
from reference_system.booking.platform import error_handlers
from reference_system.booking.platform.db import UnitOfWork
from reference_system.booking.platform.problems import NOT_FOUND, Kind, Problem
from reference_system.booking.venues import store

SLOTS_OVERLAP = Kind("slots-overlap", 409, "The resource has a slot at that time already")
CAPACITY_BELOW_TAKEN = Kind("capacity-below-taken", 409, "More places are taken than there would be")
error_handlers.refuse("slots_of_a_resource_never_overlap", SLOTS_OVERLAP)
error_handlers.refuse("services_venue_id_fkey", NOT_FOUND)
error_handlers.refuse("slots_service_id_fkey", NOT_FOUND)


async def add_venue(
    uow: UnitOfWork, *, name: str, timezone: str, currency: str, rounding: str, actor: UUID, now: datetime
) -> UUID:
    venue_id = uuid4()
    await store.add_venue(
        uow, venue_id=venue_id, name=name, timezone=timezone, currency=currency, rounding=rounding
    )
    await audit.record(uow, at=now, actor=actor, action="added", entity="venue", entity_id=venue_id)
    return venue_id


async def add_service(
    uow: UnitOfWork, *, venue_id: UUID, name: str, base_price_minor: int, actor: UUID, now: datetime
) -> UUID:
    service_id = uuid4()
    await store.add_service(
        uow, service_id=service_id, venue_id=venue_id, name=name, base_price_minor=base_price_minor
    )
    await audit.record(uow, at=now, actor=actor, action="added", entity="service", entity_id=service_id)
    return service_id


async def reprice_service(
    uow: UnitOfWork, *, service_id: UUID, base_price_minor: int, actor: UUID, now: datetime
) -> None:
    """Change the base price of a service's slots; raises Problem (404)."""
    if not await store.reprice_service(uow, service_id=service_id, base_price_minor=base_price_minor):
        raise Problem(NOT_FOUND, "There is no such service.")
    await audit.record(
        uow,
        at=now,
        actor=actor,
        action="repriced",
        entity="service",
        entity_id=service_id,
        base_price_minor=base_price_minor,
    )


async def add_slot(
    uow: UnitOfWork,
    *,
    service_id: UUID,
    resource_no: int,
    starts_at: datetime,
    ends_at: datetime,
    capacity: int,
    price_minor: int | None,
    actor: UUID,
    now: datetime,
) -> UUID:
    """Add a slot; raises Problem (409) if it overlaps another slot of its resource."""
    slot_id = uuid4()
    await store.add_slot(
        uow,
        slot_id=slot_id,
        service_id=service_id,
        resource_no=resource_no,
        starts_at=starts_at,
        ends_at=ends_at,
        capacity=capacity,
        price_minor=price_minor,
    )
    await audit.record(
        uow, at=now, actor=actor, action="added", entity="slot", entity_id=slot_id, capacity=capacity
    )
    return slot_id


async def resize(uow: UnitOfWork, *, slot_id: UUID, capacity: int, actor: UUID, now: datetime) -> None:
    """Change a slot's capacity; raises Problem: NOT_FOUND, CAPACITY_BELOW_TAKEN."""
    slot = await store.lock_slot(uow, slot_id)
    if slot is None:
        raise Problem(NOT_FOUND, "There is no such slot.")
    if capacity < slot.taken:
        raise Problem(CAPACITY_BELOW_TAKEN, taken=slot.taken)
    await store.set_capacity(uow, slot_id=slot_id, capacity=capacity)
    await audit.record(
        uow,
        at=now,
        actor=actor,
        action="resized",
        entity="slot",
        entity_id=slot_id,
        before=slot.capacity,
        after=capacity,
    )


async def reprice_slot(
    uow: UnitOfWork, *, slot_id: UUID, price_minor: int | None, actor: UUID, now: datetime
) -> None:
    """Set a slot's own price, or with None its service's price; raises Problem (404)."""
    if await store.lock_slot(uow, slot_id) is None:
        raise Problem(NOT_FOUND, "There is no such slot.")
    await store.set_price(uow, slot_id=slot_id, price_minor=price_minor)
    await audit.record(
        uow, at=now, actor=actor, action="repriced", entity="slot", entity_id=slot_id, price_minor=price_minor
    )
