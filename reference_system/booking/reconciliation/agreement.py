"""Whether an intent there and a payment here may differ: quick, and without asking anybody.

What passes agrees in everything that is compared. What does not is looked at closely, see `diagnosis`.
"""

from __future__ import annotations

from datetime import datetime

from reference_system.booking.payments.intents import Intent
from reference_system.booking.reconciliation.facts import Summary


def agree(intent: Intent | None, payment: Summary | None, now: datetime) -> bool:
    """Whether there is nothing to look at; one of the two may be missing."""
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
    """Whether somebody is paying for the checkout right now."""
    return (
        payment.checkout_state == "paying" and payment.lease_until is not None and payment.lease_until > now
    )


def same_amounts(intent: Intent, payment: Summary) -> bool:
    """Asked for and captured: equal on both sides."""
    return (intent.amount_minor, intent.captured_minor, intent.currency) == (
        payment.amount_minor,
        payment.captured_minor,
        payment.currency,
    )


def same_refunds(intent: Intent, payment: Summary) -> bool:
    """All our refunds are there, done or on their way, and none is there that we do not have."""
    return (
        payment.refunds_pending == 0
        and intent.refunded_minor <= payment.refunded_minor
        and intent.refunded_minor + intent.refund_pending_minor == payment.refunds_minor
        and payment.refunded_minor == payment.refunds_succeeded_minor
    )


def well_posted(payment: Summary) -> bool:
    """One ledger pair for the capture and one for each refund, of their amounts."""
    return (
        payment.captures_posted == (1 if payment.captured_minor > 0 else 0)
        and payment.captures_posted_minor == payment.captured_minor
        and payment.refunds_posted == payment.refunds_succeeded
        and payment.refunds_posted_minor == payment.refunded_minor
    )


def fits_booking(intent: Intent, payment: Summary) -> bool:
    """What is kept is kept for a booking, and a booking is paid for."""
    if payment.surplus or payment.checkout_id is None:
        return True
    if payment.checkout_state == "processing" and intent.status in ("declined", "canceled"):
        return False
    if payment.booked:
        return payment.captured_minor > 0
    return payment.captured_minor == payment.refunds_minor
