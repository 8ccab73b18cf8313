"""A fast comparison of a provider's intent with a recorded payment, without any query.

A pair that passes agrees in every compared field. Other pairs are examined in full, see `diagnosis`.
"""

from __future__ import annotations

from datetime import datetime

from reference_system.booking.payments.intents import Intent
from reference_system.booking.reconciliation.facts import Summary


def agree(intent: Intent | None, payment: Summary | None, now: datetime) -> bool:
    """Whether the pair needs no further examination; one of the two may be missing."""
    if payment is None:
        return intent is None or not intent.is_captured
    if is_in_hand(payment, now):
        return True
    if intent is None:
        return payment.captured_minor == 0 and not payment.booked
    return (
        same_amounts(intent, payment)
        and same_refunds(intent, payment)
        and well_posted(payment)
        and fits_booking(intent, payment)
    )


def is_in_hand(payment: Summary, now: datetime) -> bool:
    """Whether a payment of the checkout is in progress."""
    return (
        payment.checkout_state == "paying" and payment.lease_until is not None and payment.lease_until > now
    )


def same_amounts(intent: Intent, payment: Summary) -> bool:
    """Whether both sides have the same requested and captured amounts."""
    return (intent.amount_minor, intent.captured_minor, intent.currency) == (
        payment.amount_minor,
        payment.captured_minor,
        payment.currency,
    )


def same_refunds(intent: Intent, payment: Summary) -> bool:
    """Whether both sides have the same refunds, succeeded or pending."""
    return (
        payment.refunds_pending == 0
        and intent.refunded_minor <= payment.refunded_minor
        and intent.refunded_minor + intent.refund_pending_minor == payment.refunds_minor
        and payment.refunded_minor == payment.refunds_succeeded_minor
    )


def well_posted(payment: Summary) -> bool:
    """Whether the ledger has one pair for the capture and one for each refund, with their amounts and in
    the payment's currency."""
    return (
        payment.misposted == 0
        and payment.captures_posted == (1 if payment.captured_minor > 0 else 0)
        and payment.captures_posted_minor == payment.captured_minor
        and payment.refunds_posted == payment.refunds_succeeded
        and payment.refunds_posted_minor == payment.refunded_minor
    )


def fits_booking(intent: Intent, payment: Summary) -> bool:
    """Whether unrefunded money has a booking and a booking is paid; a second charge is refunded."""
    if payment.checkout_id is None:
        return True
    if payment.surplus:
        return payment.captured_minor == payment.refunds_minor
    if payment.checkout_state == "processing" and intent.status in ("declined", "canceled"):
        return False
    if payment.booked:
        return payment.captured_minor > 0
    return payment.captured_minor == payment.refunds_minor
