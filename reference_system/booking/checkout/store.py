"""Checkouts in the database. A transaction that changes a checkout's state holds its row lock."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row

from reference_system.booking.platform.db import Database, UnitOfWork
from reference_system.booking.platform.idempotency import Answer

ADD_CHECKOUT = """
INSERT INTO checkouts (id, customer_id, slot_id, price_lock_id, state, amount_minor, currency,
    created_at, updated_at)
VALUES (:id, :customer_id, :slot_id, :price_lock_id, 'open', :amount_minor, :currency, :now, :now)
"""
READ_CHECKOUT = """
SELECT checkout.id, checkout.customer_id, checkout.slot_id, checkout.state, checkout.amount_minor,
    checkout.currency, checkout.details, hold.expires_at AS hold_expires_at,
    coalesce(hold.released_at IS NULL AND hold.id IS NOT NULL, false) AS hold_live,
    booking.id AS booking_id
FROM checkouts AS checkout
LEFT JOIN holds AS hold ON hold.checkout_id = checkout.id
LEFT JOIN bookings AS booking ON booking.checkout_id = checkout.id
WHERE checkout.id = :checkout_id
"""
LOCK_CHECKOUT = """
SELECT id, customer_id, slot_id, price_lock_id, state, amount_minor, currency, pay_key, method, lease_until,
    outcome
FROM checkouts WHERE id = :checkout_id
FOR UPDATE
"""
LOCK_BOOKING = """
SELECT id, slot_id, status FROM bookings WHERE checkout_id = :checkout_id
FOR UPDATE
"""
HOLD_IS_LIVE = "SELECT 1 AS live FROM holds WHERE checkout_id = :checkout_id AND released_at IS NULL"
PRICE_LOCK = "SELECT expires_at FROM price_locks WHERE id = :price_lock_id"
SET_DETAILS = """
UPDATE checkouts SET details = CAST(:details AS jsonb), updated_at = :now WHERE id = :checkout_id
"""
BEGIN_PAYING = """
UPDATE checkouts SET state = 'paying', pay_key = :pay_key, method = :method, lease_until = :lease_until,
    updated_at = :now
WHERE id = :checkout_id AND state IN ('open', 'paying')
"""
# The request with this `lease_until` holds the lease until another request gets a later one.
RENEW_LEASE = """
UPDATE checkouts SET lease_until = :renewed, updated_at = :now
WHERE id = :checkout_id AND state = 'paying' AND lease_until = :lease_until
"""
LET_GO_OF_KEY = """
UPDATE idempotency_keys SET lease_until = :now
WHERE customer_id = :customer_id AND key = :key AND state = 'running'
"""
CLAIM_ABANDONED = """
UPDATE checkouts SET lease_until = :lease_until, updated_at = :now
WHERE id = (
    SELECT id FROM checkouts
    WHERE state = 'paying' AND lease_until <= :now AND id > :after
    ORDER BY id
    LIMIT 1
    FOR UPDATE SKIP LOCKED
)
RETURNING id, customer_id, slot_id, amount_minor, currency, pay_key, method, lease_until
"""
SETTLE = """
UPDATE checkouts SET state = :state, outcome = CAST(:outcome AS jsonb), lease_until = NULL, updated_at = :now
WHERE id = :checkout_id
"""


async def add_checkout(
    uow: UnitOfWork,
    *,
    checkout_id: UUID,
    customer_id: UUID,
    slot_id: UUID,
    price_lock_id: UUID,
    amount_minor: int,
    currency: str,
    now: datetime,
) -> None:
    """Add a checkout. Raises ConstraintViolated (`checkouts_price_lock_once`) if the price lock is used."""
    await uow.execute(
        ADD_CHECKOUT,
        id=checkout_id,
        customer_id=customer_id,
        slot_id=slot_id,
        price_lock_id=price_lock_id,
        amount_minor=amount_minor,
        currency=currency,
        now=now,
    )


async def read_checkout(source: UnitOfWork | Database, checkout_id: UUID) -> Row[Any] | None:
    """Return the checkout with its hold and booking, not locked; `details` is JSON text."""
    return await source.first(READ_CHECKOUT, checkout_id=checkout_id)


async def lock_checkout(uow: UnitOfWork, checkout_id: UUID) -> Row[Any] | None:
    """Return the checkout, its row locked until the commit."""
    return await uow.first(LOCK_CHECKOUT, checkout_id=checkout_id)


async def lock_booking(uow: UnitOfWork, checkout_id: UUID) -> Row[Any] | None:
    """Return the booking of a checkout, its row locked until the commit."""
    return await uow.first(LOCK_BOOKING, checkout_id=checkout_id)


async def hold_is_live(uow: UnitOfWork, checkout_id: UUID) -> bool:
    """Whether the checkout has a hold that is not released."""
    return await uow.first(HOLD_IS_LIVE, checkout_id=checkout_id) is not None


async def price_lock_expiry(uow: UnitOfWork, price_lock_id: UUID) -> datetime:
    expires_at: datetime = (await uow.one(PRICE_LOCK, price_lock_id=price_lock_id)).expires_at
    return expires_at


async def set_details(
    uow: UnitOfWork, *, checkout_id: UUID, details: Mapping[str, Any], now: datetime
) -> None:
    await uow.execute(SET_DETAILS, checkout_id=checkout_id, details=json.dumps(details), now=now)


async def begin_paying(
    uow: UnitOfWork, *, checkout_id: UUID, pay_key: str, method: str, lease_until: datetime, now: datetime
) -> bool:
    """Set the checkout to `paying` and lease it to the request with `pay_key` until `lease_until`."""
    return (
        await uow.execute(
            BEGIN_PAYING,
            checkout_id=checkout_id,
            pay_key=pay_key,
            method=method,
            lease_until=lease_until,
            now=now,
        )
        == 1
    )


async def renew_lease(
    uow: UnitOfWork, *, checkout_id: UUID, lease_until: datetime, renewed: datetime, now: datetime
) -> bool:
    """Extend a lease; returns False if another request has it now."""
    return (
        await uow.execute(
            RENEW_LEASE, checkout_id=checkout_id, lease_until=lease_until, renewed=renewed, now=now
        )
        == 1
    )


async def let_go_of_key(uow: UnitOfWork, *, customer_id: UUID, key: str, now: datetime) -> None:
    """End the lease, so that a repeat with this key can begin at once."""
    await uow.execute(LET_GO_OF_KEY, customer_id=customer_id, key=key, now=now)


async def claim_abandoned(
    uow: UnitOfWork, *, after: UUID, lease_until: datetime, now: datetime
) -> Row[Any] | None:
    """Lease the next checkout, by id, whose payment was interrupted."""
    return await uow.first(CLAIM_ABANDONED, after=after, lease_until=lease_until, now=now)


async def settle(uow: UnitOfWork, *, checkout_id: UUID, state: str, outcome: Answer, now: datetime) -> None:
    """Move a locked checkout to a state and record its answer."""
    await uow.execute(
        SETTLE,
        checkout_id=checkout_id,
        state=state,
        outcome=json.dumps({"status": outcome.status, "body": outcome.body}),
        now=now,
    )


def recorded_outcome(outcome: str | None) -> Answer | None:
    """Return the answer that `settle` recorded, byte for byte."""
    if outcome is None:
        return None
    recorded = json.loads(outcome)
    return Answer(recorded["status"], recorded["body"])
