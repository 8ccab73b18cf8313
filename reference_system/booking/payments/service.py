"""Records payments. Every change is idempotent and only advances a payment.

Callers hold the lock of the payment's checkout, so that saga, webhooks, recovery and reconciliation
exclude each other.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Row

from reference_system.booking.audit import store as audit
from reference_system.booking.ledger import service as ledger
from reference_system.booking.payments import store
from reference_system.booking.payments.intents import Intent
from reference_system.booking.platform.db import UnitOfWork


async def note(uow: UnitOfWork, intent: Intent, *, checkout_id: UUID, surplus: bool = False) -> Row[Any]:
    """Return the payment of an intent, recorded if it is new, with its row locked.

    `surplus`: another payment of the checkout is captured already.
    """
    if surplus:
        await store.make_surplus(uow, intent.id)
    await store.add_payment(
        uow,
        payment_id=uuid4(),
        checkout_id=None if surplus else checkout_id,
        surplus_of=checkout_id if surplus else None,
        intent_id=intent.id,
        amount_minor=intent.amount_minor,
        currency=intent.currency,
    )
    payment = await store.lock_payment(uow, intent.id)
    assert payment is not None
    return payment


async def record_progress(uow: UnitOfWork, intent: Intent, *, checkout_id: UUID, state: str) -> Row[Any]:
    """Record that a payment is `authorized`, `failed` or `voided`; a later state is left unchanged."""
    payment = await note(uow, intent, checkout_id=checkout_id)
    await store.advance(uow, payment_id=payment.id, state=state)
    return payment


async def record_capture(
    uow: UnitOfWork, intent: Intent, *, checkout_id: UUID, surplus: bool, now: datetime
) -> Row[Any]:
    """Record a capture: the payment and its ledger pair, written together, once.

    Returns the payment as it was before; its `captured_minor` shows whether the capture was recorded.
    """
    payment = await note(uow, intent, checkout_id=checkout_id, surplus=surplus)
    if await store.capture(uow, payment_id=payment.id, amount_minor=intent.captured_minor):
        await ledger.post_capture(
            uow,
            payment_id=payment.id,
            intent_id=intent.id,
            amount_minor=intent.captured_minor,
            currency=intent.currency,
            now=now,
        )
        await audit.record(
            uow,
            at=now,
            actor=audit.SYSTEM,
            action="captured",
            entity="payment",
            entity_id=payment.id,
            checkout=checkout_id,
            intent=intent.id,
            amount_minor=intent.captured_minor,
        )
    return payment
