"""Holds in the database; triggers count the places they take."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row

from reference_system.booking.platform.db import Database, UnitOfWork

ADD_HOLD = """
INSERT INTO holds (id, slot_id, customer_id, checkout_id, expires_at)
VALUES (:id, :slot_id, :customer_id, :checkout_id, :expires_at)
"""
READ_HOLD = """
SELECT id, slot_id, customer_id, checkout_id, expires_at, released_at FROM holds
WHERE checkout_id = :checkout_id
"""
RELEASE_HOLD = "UPDATE holds SET released_at = :now WHERE checkout_id = :checkout_id AND released_at IS NULL"
# Only checkouts without a payment in progress; rows that another process has locked are skipped.
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
    """Return the hold of a checkout; it is live if `released_at` is None."""
    return await source.first(READ_HOLD, checkout_id=checkout_id)


async def release_hold(uow: UnitOfWork, *, checkout_id: UUID, now: datetime) -> bool:
    """Release a checkout's hold; returns whether it was live."""
    return await uow.execute(RELEASE_HOLD, checkout_id=checkout_id, now=now) > 0


async def lock_expired_checkouts(uow: UnitOfWork, *, now: datetime, limit: int) -> Sequence[Row[Any]]:
    """Lock open checkouts whose hold has expired; returns `id` and `slot_id` of each."""
    return await uow.all(EXPIRED_CHECKOUTS, now=now, limit=limit)


async def expire_checkout(uow: UnitOfWork, *, checkout_id: UUID, now: datetime) -> None:
    await uow.execute(EXPIRE_CHECKOUT, checkout_id=checkout_id, now=now)
