"""What is owed back when a paid booking is cancelled: a refund row, written with the cancellation.

The outbox job sends it to the provider afterwards; here nothing leaves the database.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID, uuid4

from reference_system.booking.db import UnitOfWork

# What was captured for a checkout and has neither gone back nor is on its way.
LOCK_PAYMENT = (
    "SELECT id, captured_minor, refunded_minor FROM payments WHERE checkout_id = :checkout_id FOR UPDATE"
)
ON_ITS_WAY = """
SELECT coalesce(sum(amount_minor), 0)::bigint AS amount_minor FROM refunds
WHERE payment_id = :payment_id AND state IN ('pending', 'sent')
"""
OWE_REFUND = """
INSERT INTO refunds (id, payment_id, amount_minor, state, reason, created_at)
VALUES (:id, :payment_id, :amount_minor, 'pending', :reason, :now)
"""


async def owe(uow: UnitOfWork, *, checkout_id: UUID, reason: str, now: datetime) -> list[UUID]:
    """Owe back everything that is left of a checkout's payments; returns the refunds, none if nothing."""
    owed = []
    for payment in await uow.all(LOCK_PAYMENT, checkout_id=checkout_id):
        on_its_way = await uow.one(ON_ITS_WAY, payment_id=payment.id)
        left_minor = payment.captured_minor - payment.refunded_minor - on_its_way.amount_minor
        if left_minor > 0:
            refund_id = uuid4()
            await uow.execute(
                OWE_REFUND,
                id=refund_id,
                payment_id=payment.id,
                amount_minor=left_minor,
                reason=reason,
                now=now,
            )
            owed.append(refund_id)
    return owed
