"""What each kind of event means. Handlers are idempotent, and indifferent to the order of events.

Every event carries the whole payment as it was when the event was made, so that one that comes late
never moves anything back, and one that comes early brings what it presupposes with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Row

from reference_system.booking.checkout import ending
from reference_system.booking.checkout import store as checkouts
from reference_system.booking.db import UnitOfWork
from reference_system.booking.payments import intents, refunds
from reference_system.booking.payments import service as payments
from reference_system.booking.payments import store as payment_rows
from reference_system.booking.payments.intents import Intent, Malformed

ACTOR = "provider"
KINDS = frozenset(
    {"payment.authorized", "payment.captured", "payment.failed", "refund.succeeded", "refund.failed"}
)


class CannotApply(Exception):
    """An event that says what cannot be; it is retried, and ends as a dead letter."""


async def apply(uow: UnitOfWork, event_type: str, data: Mapping[str, Any], now: datetime) -> None:
    """Apply an event in the caller's transaction. Kinds of events nobody asked for mean nothing.

    Raises CannotApply, Malformed or NeedsPerson.
    """
    if event_type not in KINDS:
        return
    document = data.get("payment_intent")
    if not isinstance(document, Mapping):
        raise Malformed("an event without its payment intent")
    intent = intents.intent(document)
    if intent.checkout_id is None:
        raise CannotApply(f"{intent.id} names no checkout")
    checkout = await checkouts.lock_checkout(uow, intent.checkout_id)
    if checkout is None:
        raise CannotApply(f"{intent.id} is for checkout {intent.checkout_id}, which is not here")
    match event_type:
        case "payment.authorized":
            await authorized(uow, checkout, intent)
        case "payment.captured":
            await captured(uow, checkout, intent, now)
        case "payment.failed":
            await failed(uow, checkout, intent, now)
        case "refund.succeeded" | "refund.failed":
            await refund_changed(uow, checkout, intent, data, now)


async def authorized(uow: UnitOfWork, checkout: Row[Any], intent: Intent) -> None:
    """The amount is reserved; the saga captures it."""
    await payments.record_progress(uow, intent, checkout_id=checkout.id, state="authorized")


async def captured(uow: UnitOfWork, checkout: Row[Any], intent: Intent, now: datetime) -> None:
    """The money is taken: the checkout is completed as the saga would."""
    await ending.complete(uow, checkout, intent, now=now)


async def failed(uow: UnitOfWork, checkout: Row[Any], intent: Intent, now: datetime) -> None:
    """The card or the bank said no; unless the checkout is being paid for otherwise, it ends."""
    others = await payment_rows.lock_payments_of_checkout(uow, checkout.id)
    paid_otherwise = any(
        row.intent_id != intent.id and row.state not in ("failed", "voided") for row in others
    )
    if checkout.state in ("paying", "processing") and not paid_otherwise:
        await ending.decline(uow, checkout, intent, now=now)
    else:
        await payments.record_progress(uow, intent, checkout_id=checkout.id, state="failed")


async def refund_changed(
    uow: UnitOfWork, checkout: Row[Any], intent: Intent, data: Mapping[str, Any], now: datetime
) -> None:
    """A refund succeeded or failed."""
    document = data.get("refund")
    if not isinstance(document, Mapping):
        raise Malformed("a refund event without its refund")
    refund = intents.refund(document)
    if refund.intent_id != intent.id:
        raise CannotApply(f"{refund.id} is a refund of {refund.intent_id}, not of {intent.id}")
    payment = await payment_rows.lock_payment(uow, intent.id)
    if payment is None or payment.captured_minor == 0:
        # The event of the capture is still to come, or never will: this is what it would say.
        await captured(uow, checkout, as_captured(intent), now)
        payment = await payment_rows.lock_payment(uow, intent.id)
        assert payment is not None
    await refunds.record(uow, payment, refund, now=now)
    await ending.cancel_if_refunded(uow, checkout.id, payment.id, actor=ACTOR, now=now)


def as_captured(intent: Intent) -> Intent:
    """The intent as it was when it was captured, before anything went back."""
    return replace(intent, refunded_minor=0, refund_pending_minor=0)
