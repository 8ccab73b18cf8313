"""Holds in the database; triggers keep count of the places they take."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row

from reference_system.booking.db import Database, UnitOfWork

ADD_HOLD = """
INSERT INTO holds (id, slot_id, customer_id, checkout_id, expires_at)
VALUES (:id, :slot_id, :customer_id, :checkout_id, :expires_at)
"""
READ_HOLD = """
SELECT id, slot_id, customer_id, checkout_id, expires_at, released_at FROM holds
WHERE checkout_id = :checkout_id
"""
RELEASE_HOLD = "UPDATE holds SET released_at = :now WHERE checkout_id = :checkout_id AND released_at IS NULL"
# Only checkouts that nobody is paying for; those that another process has in hand are left to it.
EXPIRED_CHECKOUTS = """
SELECT checkout.id, hold.slot_id FROM checkouts AS checkout
JOIN holds AS hold ON hold.checkout_id = checkout.id
WHERE checkout.state = 'open' AND hold.released_at IS NULL AND hold.expires_at <= :now
ORDER BY hold.expires_at
LIMIT :limit
FOR UPDATE OF checkout SKIP LOCKED
"""
EXPIRE_CHECKOUT = """
UPDATE checkouts SET state = 'expired', updated_at = :now WHERE id = :checkout_id AND state = 'open'
"""


async def add_hold(
    uow: UnitOfWork,
    *,
    hold_id: UUID,
    slot_id: UUID,
    customer_id: UUID,
    checkout_id: UUID,
    expires_at: datetime,
) -> None:
    await uow.execute(
        ADD_HOLD,
        id=hold_id,
        slot_id=slot_id,
        customer_id=customer_id,
        checkout_id=checkout_id,
        expires_at=expires_at,
    )


async def read_hold(source: UnitOfWork | Database, checkout_id: UUID) -> Row[Any] | None:
    """The hold of a checkout, live (`released_at` is None) or not."""
    return await source.first(READ_HOLD, checkout_id=checkout_id)


async def release_hold(uow: UnitOfWork, *, checkout_id: UUID, now: datetime) -> bool:
    """Whether there was a live hold to release."""
    return await uow.execute(RELEASE_HOLD, checkout_id=checkout_id, now=now) > 0


async def lock_expired_checkouts(uow: UnitOfWork, *, now: datetime, limit: int) -> Sequence[Row[Any]]:
    """Open checkouts whose hold is over, locked: `id` and `slot_id`."""
    return await uow.all(EXPIRED_CHECKOUTS, now=now, limit=limit)


async def expire_checkout(uow: UnitOfWork, *, checkout_id: UUID, now: datetime) -> None:
    await uow.execute(EXPIRE_CHECKOUT, checkout_id=checkout_id, now=now)
