"""Venues, services and slots in the database."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row

from reference_system.booking.platform.db import Database, UnitOfWork
from reference_system.booking.pricing.store import PERCENT_IN_FORCE

ADD_VENUE = """
INSERT INTO venues (id, name, timezone, currency, rounding)
VALUES (:id, :name, :timezone, :currency, :rounding)
"""
ADD_SERVICE = """
INSERT INTO services (id, venue_id, name, base_price_minor) VALUES (:id, :venue_id, :name, :base_price_minor)
"""
REPRICE_SERVICE = "UPDATE services SET base_price_minor = :base_price_minor WHERE id = :service_id"
ADD_SLOT = """
INSERT INTO slots (id, service_id, resource_no, starts_at, ends_at, capacity, price_minor)
VALUES (:id, :service_id, :resource_no, :starts_at, :ends_at, :capacity, :price_minor)
"""
_PRICED_SLOTS = f"""
SELECT
    slot.id, slot.service_id, slot.resource_no, slot.starts_at, slot.ends_at, slot.capacity, slot.taken,
    slot.price_minor, slot.version,
    coalesce(slot.price_minor, service.base_price_minor) AS base_minor,
    venue.currency,
    venue.rounding,
    {PERCENT_IN_FORCE} AS percent
FROM slots AS slot
JOIN services AS service ON service.id = slot.service_id
JOIN venues AS venue ON venue.id = service.venue_id
"""  # noqa: S608 - a constant of ours
READ_SLOT = _PRICED_SLOTS + "WHERE slot.id = :slot_id"
SLOTS_OF_SERVICE = (
    _PRICED_SLOTS
    + """
WHERE slot.service_id = :service_id AND slot.starts_at >= :from_
ORDER BY slot.starts_at, slot.id
LIMIT :limit
"""
)
# A transaction that takes or frees a place, or changes the capacity, locks the slot first. Not FOR UPDATE:
# a row that refers to the slot (hold, checkout) has locked its key already, and two such transactions
# would deadlock.
LOCK_SLOT = """
SELECT id, starts_at, capacity, taken, version FROM slots
WHERE id = :slot_id
FOR NO KEY UPDATE
"""
LOCK_SLOTS = """
SELECT id, starts_at, capacity, taken, version FROM slots
WHERE id = ANY(:slot_ids)
ORDER BY id
FOR NO KEY UPDATE
"""
SET_CAPACITY = "UPDATE slots SET capacity = :capacity, version = version + 1 WHERE id = :slot_id"
SET_PRICE = "UPDATE slots SET price_minor = :price_minor, version = version + 1 WHERE id = :slot_id"


async def add_venue(
    uow: UnitOfWork,
    *,
    venue_id: UUID,
    name: str,
    timezone: str,
    currency: str,
    rounding: str,
) -> None:
    await uow.execute(
        ADD_VENUE, id=venue_id, name=name, timezone=timezone, currency=currency, rounding=rounding
    )


async def add_service(
    uow: UnitOfWork,
    *,
    service_id: UUID,
    venue_id: UUID,
    name: str,
    base_price_minor: int,
) -> None:
    """Add a service. Raises ConstraintViolated (`services_venue_id_fkey`) if there is no such venue."""
    await uow.execute(
        ADD_SERVICE, id=service_id, venue_id=venue_id, name=name, base_price_minor=base_price_minor
    )


async def reprice_service(uow: UnitOfWork, *, service_id: UUID, base_price_minor: int) -> bool:
    """Change a service's base price; returns False if there is no such service."""
    return await uow.execute(REPRICE_SERVICE, service_id=service_id, base_price_minor=base_price_minor) == 1


async def add_slot(
    uow: UnitOfWork,
    *,
    slot_id: UUID,
    service_id: UUID,
    resource_no: int,
    starts_at: datetime,
    ends_at: datetime,
    capacity: int,
    price_minor: int | None,
) -> None:
    """Add a slot. Raises ConstraintViolated: `slots_of_a_resource_never_overlap`, `slots_service_id_fkey`."""
    await uow.execute(
        ADD_SLOT,
        id=slot_id,
        service_id=service_id,
        resource_no=resource_no,
        starts_at=starts_at,
        ends_at=ends_at,
        capacity=capacity,
        price_minor=price_minor,
    )


async def read_slot(source: UnitOfWork | Database, slot_id: UUID) -> Row[Any] | None:
    """Return the slot, not locked, with the components of its price."""
    return await source.first(READ_SLOT, slot_id=slot_id)


async def slots_of_service(
    database: Database, *, service_id: UUID, from_: datetime, limit: int
) -> Sequence[Row[Any]]:
    """Return slots of a service that start at `from_` or later, soonest first."""
    return await database.all(SLOTS_OF_SERVICE, service_id=service_id, from_=from_, limit=limit)


async def lock_slot(uow: UnitOfWork, slot_id: UUID) -> Row[Any] | None:
    """Return the slot, its row locked until the commit, so that no other transaction changes its places."""
    return await uow.first(LOCK_SLOT, slot_id=slot_id)


async def lock_slots(uow: UnitOfWork, slot_ids: Sequence[UUID]) -> dict[UUID, Row[Any]]:
    """Return slots by id, locked in the order of their ids, so that two transactions cannot deadlock."""
    rows = await uow.all(LOCK_SLOTS, slot_ids=list(slot_ids))
    return {row.id: row for row in rows}


async def set_capacity(uow: UnitOfWork, *, slot_id: UUID, capacity: int) -> None:
    await uow.execute(SET_CAPACITY, slot_id=slot_id, capacity=capacity)


async def set_price(uow: UnitOfWork, *, slot_id: UUID, price_minor: int | None) -> None:
    await uow.execute(SET_PRICE, slot_id=slot_id, price_minor=price_minor)
