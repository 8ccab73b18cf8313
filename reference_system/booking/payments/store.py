"""Payments and refunds in the database. Triggers and checks refuse backward transitions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row

from reference_system.booking.platform.db import Database, UnitOfWork

ADD_PAYMENT = """
INSERT INTO payments (id, checkout_id, surplus_of, intent_id, state, amount_minor, currency)
VALUES (:id, :checkout_id, :surplus_of, :intent_id, 'created', :amount_minor, :currency)
ON CONFLICT (intent_id) DO NOTHING
"""
MAKE_SURPLUS = """
UPDATE payments SET surplus_of = checkout_id, checkout_id = NULL
WHERE intent_id = :intent_id AND checkout_id IS NOT NULL AND captured_minor = 0
"""
LOCK_PAYMENT = """
SELECT id, checkout_id, surplus_of, intent_id, state, amount_minor, currency, captured_minor, refunded_minor
FROM payments WHERE intent_id = :intent_id
FOR UPDATE
"""
LOCK_PAYMENTS_OF_CHECKOUT = """
SELECT id, checkout_id, surplus_of, intent_id, state, amount_minor, currency, captured_minor, refunded_minor
FROM payments WHERE checkout_id = :checkout_id OR surplus_of = :checkout_id
ORDER BY id
FOR UPDATE
"""
LOCK_PAYMENT_BY_ID = """
SELECT id, checkout_id, surplus_of, intent_id, state, amount_minor, currency, captured_minor, refunded_minor
FROM payments WHERE id = :payment_id
FOR UPDATE
"""
# A late report of the provider never moves a payment to an earlier state.
ADVANCE = """
UPDATE payments SET state = :state
WHERE id = :payment_id AND payment_rank(state) < payment_rank(:state)
"""
CAPTURE = """
UPDATE payments SET state = 'captured', captured_minor = :amount_minor
WHERE id = :payment_id AND captured_minor = 0 AND payment_rank(state) < payment_rank('captured')
"""
COUNT_REFUND = """
UPDATE payments SET
    refunded_minor = refunded_minor + :amount_minor,
    state = CASE WHEN refunded_minor + :amount_minor = captured_minor
                 THEN 'refunded' ELSE 'partially_refunded' END
WHERE id = :payment_id
"""
VOID = (
    "UPDATE payments SET state = 'voided', captured_minor = 0 WHERE id = :payment_id AND refunded_minor = 0"
)
PAYMENT_STATE = """
SELECT state FROM payments WHERE checkout_id = :checkout_id
ORDER BY captured_minor DESC, payment_rank(state) DESC
LIMIT 1
"""

ADD_REFUND = """
INSERT INTO refunds (id, payment_id, provider_refund_id, amount_minor, state, reason, created_at)
VALUES (:id, :payment_id, :provider_refund_id, :amount_minor, :state, :reason, :now)
"""
FIND_REFUND = """
SELECT id, payment_id, provider_refund_id, amount_minor, state FROM refunds
WHERE payment_id = :payment_id
  AND (provider_refund_id = :provider_refund_id OR id = CAST(:refund_id AS uuid))
ORDER BY provider_refund_id = :provider_refund_id DESC NULLS LAST
LIMIT 1
"""
SET_REFUND = (
    "UPDATE refunds SET state = :state, provider_refund_id = :provider_refund_id WHERE id = :refund_id"
)
READ_REFUND = """
SELECT refund.id, refund.payment_id, refund.amount_minor, refund.state, refund.provider_refund_id,
    payment.intent_id, payment.currency, coalesce(payment.checkout_id, payment.surplus_of) AS checkout_id
FROM refunds AS refund JOIN payments AS payment ON payment.id = refund.payment_id
WHERE refund.id = :refund_id
"""
REFUNDS_OF_PAYMENTS = """
SELECT id, payment_id, provider_refund_id, amount_minor, state, created_at FROM refunds
WHERE payment_id = ANY(CAST(:payment_ids AS uuid[])) AND state <> 'failed'
ORDER BY created_at, id
"""
OPEN_REFUNDS_MINOR = """
SELECT coalesce(sum(amount_minor), 0)::bigint AS amount_minor FROM refunds
WHERE payment_id = :payment_id AND state IN ('pending', 'sent')
"""
PENDING_REFUNDS = """
SELECT id, created_at FROM refunds
WHERE state = 'pending'
  AND (created_at, id) > (CAST(:after_at AS timestamptz), CAST(:after_id AS uuid))
ORDER BY created_at, id
LIMIT :limit
"""


async def add_payment(
    uow: UnitOfWork,
    *,
    payment_id: UUID,
    checkout_id: UUID | None,
    surplus_of: UUID | None,
    intent_id: str,
    amount_minor: int,
    currency: str,
) -> None:
    """Add a payment unless it is recorded already."""
    await uow.execute(
        ADD_PAYMENT,
        id=payment_id,
        checkout_id=checkout_id,
        surplus_of=surplus_of,
        intent_id=intent_id,
        amount_minor=amount_minor,
        currency=currency,
    )


async def make_surplus(uow: UnitOfWork, intent_id: str) -> None:
    """Mark a payment that is not captured yet as surplus."""
    await uow.execute(MAKE_SURPLUS, intent_id=intent_id)


async def lock_payment(uow: UnitOfWork, intent_id: str) -> Row[Any] | None:
    """Return the payment of an intent, its row locked until the commit."""
    return await uow.first(LOCK_PAYMENT, intent_id=intent_id)


async def lock_payment_by_id(uow: UnitOfWork, payment_id: UUID) -> Row[Any]:
    return await uow.one(LOCK_PAYMENT_BY_ID, payment_id=payment_id)


async def lock_payments_of_checkout(uow: UnitOfWork, checkout_id: UUID) -> Sequence[Row[Any]]:
    """Return every payment of a checkout, surplus ones included, locked until the commit."""
    return await uow.all(LOCK_PAYMENTS_OF_CHECKOUT, checkout_id=checkout_id)


async def advance(uow: UnitOfWork, *, payment_id: UUID, state: str) -> bool:
    """Advance the payment to `state`; returns whether it changed."""
    return await uow.execute(ADVANCE, payment_id=payment_id, state=state) == 1


async def capture(uow: UnitOfWork, *, payment_id: UUID, amount_minor: int) -> bool:
    """Record a capture; returns whether it is new. Raises ConstraintViolated
    (`payments_captured_once_a_checkout`) if another payment of the checkout is captured."""
    return await uow.execute(CAPTURE, payment_id=payment_id, amount_minor=amount_minor) == 1


async def count_refund(uow: UnitOfWork, *, payment_id: UUID, amount_minor: int) -> None:
    """Add to the refunded amount. Raises ConstraintViolated if it exceeds the captured amount."""
    await uow.execute(COUNT_REFUND, payment_id=payment_id, amount_minor=amount_minor)


async def void(uow: UnitOfWork, *, payment_id: UUID) -> bool:
    """Write off a payment that was not and will not be captured."""
    return await uow.execute(VOID, payment_id=payment_id) == 1


async def payment_state(source: UnitOfWork | Database, checkout_id: UUID) -> str | None:
    """Return the state of a checkout's payment; None without a payment."""
    row = await source.first(PAYMENT_STATE, checkout_id=checkout_id)
    return row.state if row is not None else None


# -- refunds ---------------------------------------------------------------------------------------


async def add_refund(
    uow: UnitOfWork,
    *,
    refund_id: UUID,
    payment_id: UUID,
    provider_refund_id: str | None,
    amount_minor: int,
    state: str,
    reason: str,
    now: datetime,
) -> None:
    await uow.execute(
        ADD_REFUND,
        id=refund_id,
        payment_id=payment_id,
        provider_refund_id=provider_refund_id,
        amount_minor=amount_minor,
        state=state,
        reason=reason,
        now=now,
    )


async def find_refund(
    uow: UnitOfWork, *, payment_id: UUID, provider_refund_id: str, refund_id: UUID | None
) -> Row[Any] | None:
    """Return the row of a refund at the provider, by the provider's id or by our id in its metadata."""
    return await uow.first(
        FIND_REFUND, payment_id=payment_id, provider_refund_id=provider_refund_id, refund_id=refund_id
    )


async def set_refund(uow: UnitOfWork, *, refund_id: UUID, state: str, provider_refund_id: str | None) -> None:
    await uow.execute(SET_REFUND, refund_id=refund_id, state=state, provider_refund_id=provider_refund_id)


async def read_refund(source: UnitOfWork | Database, refund_id: UUID) -> Row[Any] | None:
    """Return a refund with its intent, currency and checkout."""
    return await source.first(READ_REFUND, refund_id=refund_id)


async def refunds_of_payments(
    source: UnitOfWork | Database, payment_ids: Sequence[UUID]
) -> Sequence[Row[Any]]:
    """Return refunds of some payments that did not fail, oldest first."""
    return await source.all(REFUNDS_OF_PAYMENTS, payment_ids=list(payment_ids)) if payment_ids else []


async def open_refunds_minor(uow: UnitOfWork, payment_id: UUID) -> int:
    """Return the sum of pending and sent refunds in minor units."""
    return int((await uow.one(OPEN_REFUNDS_MINOR, payment_id=payment_id)).amount_minor)


async def pending_refunds(
    database: Database, *, after_at: datetime, after_id: UUID, limit: int
) -> Sequence[Row[Any]]:
    """Return refunds not yet sent, oldest first, after a given one: `id`, `created_at`."""
    return await database.all(PENDING_REFUNDS, after_at=after_at, after_id=after_id, limit=limit)
