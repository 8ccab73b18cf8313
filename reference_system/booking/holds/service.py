"""Taking, releasing and expiring holds."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID, uuid4

from reference_system.booking.audit import store as audit
from reference_system.booking.holds import store
from reference_system.booking.platform.db import UnitOfWork
from reference_system.booking.platform.problems import Problem
from reference_system.booking.venues import places


async def take(
    uow: UnitOfWork, *, slot_id: UUID, customer_id: UUID, checkout_id: UUID, now: datetime, ttl_s: float
) -> datetime:
    """Hold a place of a slot for an existing checkout; returns when the hold expires.

    Raises Problem: NOT_FOUND (404), SLOT_STARTED or SOLD_OUT (409).
    """
    slot = await places.claim(uow, slot_id)
    if places.has_started(slot, now):
        raise Problem(places.SLOT_STARTED)
    expires_at = expiry(now, ttl_s)
    await store.add_hold(
        uow,
        hold_id=uuid4(),
        slot_id=slot_id,
        customer_id=customer_id,
        checkout_id=checkout_id,
        expires_at=expires_at,
    )
    return expires_at


def expiry(now: datetime, ttl_s: float) -> datetime:
    """Return when a hold taken now expires."""
    return now + timedelta(seconds=ttl_s)


async def release(uow: UnitOfWork, *, checkout_id: UUID, now: datetime) -> bool:
    """Release a checkout's hold; returns False if it had no live hold."""
    return await store.release_hold(uow, checkout_id=checkout_id, now=now)


async def expire(uow: UnitOfWork, *, now: datetime, limit: int) -> int:
    """End open checkouts whose hold has expired and release their places; returns their number.

    A checkout whose payment is in progress keeps its place; recovery completes it.
    """
    expired = await store.lock_expired_checkouts(uow, now=now, limit=limit)
    # By slot id, the lock order of all code that locks several slots.
    for checkout in sorted(expired, key=lambda row: (row.slot_id, row.id)):
        await store.expire_checkout(uow, checkout_id=checkout.id, now=now)
        await release(uow, checkout_id=checkout.id, now=now)
        await audit.record(
            uow, at=now, actor=audit.SYSTEM, action="expired", entity="checkout", entity_id=checkout.id
        )
    return len(expired)
