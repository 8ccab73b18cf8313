"""Handlers of events by kind. They are idempotent, and the order of events does not matter.

Every event carries a snapshot of the whole payment at its creation. A late event therefore never moves a
payment to an earlier state, and an early one contains everything that it depends on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Row

from reference_system.booking.checkout import outcomes
from reference_system.booking.checkout import store as checkouts
from reference_system.booking.payments import intents, refunds
from reference_system.booking.payments import service as payments
from reference_system.booking.payments import store as payment_rows
from reference_system.booking.payments.intents import Intent, Malformed, ProviderRefund
from reference_system.booking.platform.db import UnitOfWork

ACTOR = "provider"
# The states that the payment and the refund in an event of each kind have.
KINDS = {
    "payment.authorized": ("requires_capture", None),
    "payment.captured": ("captured", None),
    "payment.failed": ("declined", None),
    "refund.succeeded": ("captured", "succeeded"),
    "refund.failed": ("captured", "failed"),
}


class CannotApply(Exception):
    """The event describes an impossible state; it is retried and finally becomes a dead letter."""


async def apply(uow: UnitOfWork, event_type: str, data: Mapping[str, Any], now: datetime) -> None:
    """Apply an event in the caller's transaction. Raises CannotApply, Malformed or NeedsPerson."""
    if event_type not in KINDS:
        raise CannotApply(f"there is no handler of {event_type}")
    document = data.get("payment_intent")
    if not isinstance(document, Mapping):
        raise Malformed("an event without its payment intent")
    intent = intents.intent(document)
    status, refund_status = KINDS[event_type]
    if intent.status != status:
        raise CannotApply(f"{event_type} of {intent.id}, which is {intent.status}")
    if intent.checkout_id is None:
        raise CannotApply(f"{intent.id} names no checkout")
    checkout = await checkouts.lock_checkout(uow, intent.checkout_id)
    if checkout is None:
        raise CannotApply(f"{intent.id} is for checkout {intent.checkout_id}, which is not here")
    recorded = await payment_rows.lock_payment(uow, intent.id)
    if recorded is not None:
        require_same(recorded, checkout, intent)
    match event_type:
        case "payment.authorized":
            await authorized(uow, checkout, intent)
        case "payment.captured":
            await captured(uow, checkout, intent, now)
        case "payment.failed":
            await failed(uow, checkout, intent, now)
        case "refund.succeeded" | "refund.failed":
            await refund_changed(uow, checkout, recorded, intent, data, refund_status, now)


async def authorized(uow: UnitOfWork, checkout: Row[Any], intent: Intent) -> None:
    """Record an authorisation; the saga captures it."""
    require_price(checkout, intent)
    await payments.record_progress(uow, intent, checkout_id=checkout.id, state="authorized")


async def captured(uow: UnitOfWork, checkout: Row[Any], intent: Intent, now: datetime) -> None:
    """Record a capture and complete the checkout, as the saga does."""
    await outcomes.complete(uow, checkout, intent, now=now)


async def failed(uow: UnitOfWork, checkout: Row[Any], intent: Intent, now: datetime) -> None:
    """Record a declined payment; ends a checkout that is being paid unless it has another valid payment."""
    require_price(checkout, intent)
    others = await payment_rows.lock_payments_of_checkout(uow, checkout.id)
    paid_otherwise = any(
        row.intent_id != intent.id and row.state not in ("failed", "voided") for row in others
    )
    if checkout.state in ("paying", "processing") and not paid_otherwise:
        await outcomes.decline(uow, checkout, intent, now=now)
    else:
        await payments.record_progress(uow, intent, checkout_id=checkout.id, state="failed")


async def refund_changed(
    uow: UnitOfWork,
    checkout: Row[Any],
    payment: Row[Any] | None,
    intent: Intent,
    data: Mapping[str, Any],
    status: str | None,
    now: datetime,
) -> None:
    """Record a refund that succeeded or failed; `payment` is the recorded one, locked."""
    document = data.get("refund")
    if not isinstance(document, Mapping):
        raise Malformed("a refund event without its refund")
    refund = intents.refund(document)
    if refund.intent_id != intent.id:
        raise CannotApply(f"{refund.id} is a refund of {refund.intent_id}, not of {intent.id}")
    if refund.status != status:
        raise CannotApply(f"{refund.id} is {refund.status}")
    require_possible(refund, intent)
    if payment is None or payment.captured_minor == 0:
        # The event of the capture has not arrived and may never arrive; apply its content.
        await captured(uow, checkout, as_captured(intent), now)
        payment = await payment_rows.lock_payment(uow, intent.id)
        assert payment is not None
    await refunds.record(uow, payment, refund, now=now)
    await outcomes.cancel_if_refunded(uow, checkout.id, payment.id, actor=ACTOR, now=now)


def require_same(recorded: Row[Any], checkout: Row[Any], intent: Intent) -> None:
    """Raise CannotApply unless a recorded payment is of this checkout and of the intent's currency."""
    if checkout.id not in (recorded.checkout_id, recorded.surplus_of) or recorded.currency != intent.currency:
        raise CannotApply(
            f"{intent.id} is recorded for {recorded.checkout_id or recorded.surplus_of} in "
            f"{recorded.currency}, not for {checkout.id} in {intent.currency}"
        )


def require_possible(refund: ProviderRefund, intent: Intent) -> None:
    """Raise CannotApply unless the refund is of a part of what was captured, in its currency."""
    if not 0 < refund.amount_minor <= intent.captured_minor or refund.currency != intent.currency:
        raise CannotApply(
            f"{refund.id} is of {refund.amount_minor} {refund.currency}, "
            f"{intent.id} took {intent.captured_minor} {intent.currency}"
        )


def require_price(checkout: Row[Any], intent: Intent) -> None:
    """Raise CannotApply unless the payment is of the checkout's price."""
    if (intent.amount_minor, intent.currency) != (checkout.amount_minor, checkout.currency):
        raise CannotApply(
            f"checkout {checkout.id} is for {checkout.amount_minor} {checkout.currency}, "
            f"{intent.id} is of {intent.amount_minor} {intent.currency}"
        )


def as_captured(intent: Intent) -> Intent:
    """Return the intent at its capture, before any refund."""
    return replace(intent, refunded_minor=0, refund_pending_minor=0)
