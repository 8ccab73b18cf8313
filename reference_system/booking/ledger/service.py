"""What is written into the books, and when: each pair in the transaction that makes it true."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID, uuid4

from reference_system.booking.db import UnitOfWork
from reference_system.booking.ledger import store

RECEIVABLE = "provider_receivable"
"""What the payment provider owes the house."""
REVENUE = "booking_revenue"
"""What was earned with bookings; credits are negative."""


async def post_capture(
    uow: UnitOfWork, *, payment_id: UUID, intent_id: str, amount_minor: int, currency: str, now: datetime
) -> bool:
    """Money was taken: the provider owes it, the house earned it. Once per intent."""
    return await store.post_pair(
        uow,
        transaction_id=uuid4(),
        kind="capture",
        reference=intent_id,
        payment_id=payment_id,
        debit=RECEIVABLE,
        credit=REVENUE,
        amount_minor=amount_minor,
        currency=currency,
        now=now,
    )


async def post_refund(
    uow: UnitOfWork, *, payment_id: UUID, refund_id: UUID, amount_minor: int, currency: str, now: datetime
) -> bool:
    """Money went back. Once per refund."""
    return await store.post_pair(
        uow,
        transaction_id=uuid4(),
        kind="refund",
        reference=str(refund_id),
        payment_id=payment_id,
        debit=REVENUE,
        credit=RECEIVABLE,
        amount_minor=amount_minor,
        currency=currency,
        now=now,
    )


async def reverse(uow: UnitOfWork, *, transaction_id: UUID, now: datetime) -> bool:
    """Take back a transaction that should not be on the books. Once per transaction."""
    return await store.reverse(uow, reversal_id=uuid4(), transaction_id=transaction_id, now=now)
