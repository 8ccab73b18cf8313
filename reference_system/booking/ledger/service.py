"""Postings to the ledger: each pair of entries is written in the transaction that records its cause."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID, uuid4

from reference_system.booking.ledger import store
from reference_system.booking.platform.db import UnitOfWork

RECEIVABLE = "provider_receivable"
"""Account: owed by the payment provider."""
REVENUE = "booking_revenue"
"""Account: earned with bookings; credits are negative."""


async def post_capture(
    uow: UnitOfWork, *, payment_id: UUID, intent_id: str, amount_minor: int, currency: str, now: datetime
) -> bool:
    """Post a capture, once per intent: debit the provider's account, credit revenue."""
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
    """Post a refund, once per refund."""
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


async def complete_pair(
    uow: UnitOfWork, *, transaction_id: UUID, kind: str, amount_minor: int, currency: str
) -> bool:
    """Add the entries that the pair of a capture or a refund lacks; returns whether it lacked any."""
    debit, credit = (RECEIVABLE, REVENUE) if kind == "capture" else (REVENUE, RECEIVABLE)
    return await store.complete_pair(
        uow,
        transaction_id=transaction_id,
        debit=debit,
        credit=credit,
        amount_minor=amount_minor,
        currency=currency,
    )


async def reverse(uow: UnitOfWork, *, transaction_id: UUID, now: datetime) -> bool:
    """Reverse a transaction that should not be in the ledger, once; returns whether it was reversed now."""
    return await store.reverse(uow, reversal_id=uuid4(), transaction_id=transaction_id, now=now)
