"""How a checkout ends: decided once, under the checkout's row lock, by the first request, job or webhook.

Each function takes the locked checkout and the provider's intent, and writes the whole outcome in the
caller's transaction: booking, hold, payment with its ledger pair, owed refund, the checkout's state, and the
answer under the idempotency key. The outcome is therefore atomic, and saga, webhooks, recovery and
reconciliation may each write it, in any order.

Code that changes a checkout, its booking or its payments locks the checkout first and slots last.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row

from reference_system.booking.audit import store as audit
from reference_system.booking.bookings import service as bookings
from reference_system.booking.checkout import refusals, store
from reference_system.booking.holds import service as holds
from reference_system.booking.outbox import store as outbox
from reference_system.booking.payments import refunds
from reference_system.booking.payments import service as payments
from reference_system.booking.payments import store as payment_rows
from reference_system.booking.payments.intents import Intent
from reference_system.booking.platform import idempotency
from reference_system.booking.platform.db import UnitOfWork
from reference_system.booking.platform.idempotency import Answer
from reference_system.booking.platform.problems import Kind, Problem
from reference_system.booking.venues import places

UNDECIDED = frozenset({"open", "paying", "processing"})


class NeedsPerson(Exception):
    """The provider's state matches no rule: a person must decide, and nothing is changed until then."""


class AmountDiffers(NeedsPerson):
    """The provider captured an amount other than the checkout's."""


@dataclass(frozen=True, slots=True)
class CheckoutOutcome:
    """The answer to the client, and the owed refund, if any."""

    answer: Answer
    refund_id: UUID | None = None


async def complete(uow: UnitOfWork, checkout: Row[Any], intent: Intent, *, now: datetime) -> CheckoutOutcome:
    """Complete a captured payment: book the place, or record a refund if the place is lost.

    If the checkout has another captured payment, this one is surplus and refunded in full. Raises
    NeedsPerson.
    """
    booking = await store.lock_booking(uow, checkout.id)
    others = await payment_rows.lock_payments_of_checkout(uow, checkout.id)
    if is_surplus(intent, others):
        return await return_surplus(uow, checkout, intent, now=now)
    require_amount(checkout, intent)
    payment = await payments.record_capture(uow, intent, checkout_id=checkout.id, surplus=False, now=now)
    if payment.state == "voided":
        raise NeedsPerson(f"{intent.id} is captured, and was voided here")
    recorded = store.recorded_outcome(checkout.outcome)
    if payment.captured_minor > 0 and recorded is not None:
        return CheckoutOutcome(recorded)
    return await book_or_owe(uow, checkout, booking, intent, now=now)


async def book_or_owe(
    uow: UnitOfWork, checkout: Row[Any], booking: Row[Any] | None, intent: Intent, *, now: datetime
) -> CheckoutOutcome:
    """Book the place of a recorded capture, or record a refund if the place is lost."""
    booking_id = await take_place(uow, checkout, booking, intent, now=now)
    if booking_id is not None:
        return await _booked(uow, checkout, booking_id, now=now)
    payment = await payment_rows.lock_payment(uow, intent.id)
    assert payment is not None
    refund_id = await refunds.owe(
        uow, payment, left_minor=intent.left_minor, reason="the place was taken", now=now
    )
    recorded = store.recorded_outcome(checkout.outcome)
    if checkout.state == "booked" and recorded is not None:
        return CheckoutOutcome(recorded, refund_id)  # it was booked and then cancelled
    answer = refused(places.SOLD_OUT, "The place was lost; what was charged is paid back.")
    return CheckoutOutcome(await settle(uow, checkout, "failed", answer, now=now), refund_id)


async def complete_free(uow: UnitOfWork, checkout: Row[Any], *, now: datetime) -> CheckoutOutcome:
    """Book the held place of a checkout that costs nothing."""
    booking = await store.lock_booking(uow, checkout.id)
    booking_id = await take_place(uow, checkout, booking, None, now=now)
    if booking_id is not None:
        return await _booked(uow, checkout, booking_id, now=now)
    return CheckoutOutcome(await settle(uow, checkout, "failed", refused(places.SOLD_OUT), now=now))


async def decline(uow: UnitOfWork, checkout: Row[Any], intent: Intent, *, now: datetime) -> CheckoutOutcome:
    """End a checkout whose payment was declined: nothing is charged, the place is released."""
    await payments.record_progress(uow, intent, checkout_id=checkout.id, state="failed")
    return await _end_unpaid(uow, checkout, "declined", refused(refusals.CARD_DECLINED), now=now)


async def not_taken(
    uow: UnitOfWork, checkout: Row[Any], intent: Intent | None, *, now: datetime
) -> CheckoutOutcome:
    """End a checkout without a payment: nothing is charged, the place is released."""
    if intent is not None:
        await payments.record_progress(uow, intent, checkout_id=checkout.id, state="voided")
    return await _end_unpaid(uow, checkout, "expired", refused(refusals.PAYMENT_NOT_TAKEN), now=now)


async def place_lost(
    uow: UnitOfWork, checkout: Row[Any], intent: Intent | None, *, now: datetime
) -> CheckoutOutcome:
    """End a checkout whose place was lost before anything was charged."""
    if intent is not None:
        await payments.record_progress(uow, intent, checkout_id=checkout.id, state="voided")
    return await _end_unpaid(uow, checkout, "failed", refused(places.SOLD_OUT), now=now)


async def pending(uow: UnitOfWork, checkout: Row[Any], intent: Intent, *, now: datetime) -> CheckoutOutcome:
    """Record that the provider reports the payment later; the place is held until then."""
    if checkout.state not in UNDECIDED:
        return CheckoutOutcome(decided(checkout))
    await payments.note(uow, intent, checkout_id=checkout.id)
    return CheckoutOutcome(await settle(uow, checkout, "processing", processing(checkout), now=now))


async def return_surplus(
    uow: UnitOfWork, checkout: Row[Any], intent: Intent, *, now: datetime
) -> CheckoutOutcome:
    """Record a second charge of one checkout and a refund of all of it."""
    payment = await payments.record_capture(uow, intent, checkout_id=checkout.id, surplus=True, now=now)
    captured = await payment_rows.lock_payment_by_id(uow, payment.id)
    refund_id = await refunds.owe(
        uow, captured, left_minor=intent.left_minor, reason="charged twice", now=now
    )
    return CheckoutOutcome(decided(checkout), refund_id)


async def cancel_if_refunded(
    uow: UnitOfWork, checkout_id: UUID, payment_id: UUID, *, actor: str, now: datetime
) -> None:
    """Cancel a booking whose whole price was refunded. The checkout is locked."""
    payment = await payment_rows.lock_payment_by_id(uow, payment_id)
    booking = await store.lock_booking(uow, checkout_id)
    if (
        payment.state == "refunded"
        and payment.checkout_id == checkout_id
        and booking is not None
        and booking.status == "confirmed"
    ):
        await bookings.cancel_locked(uow, booking_id=booking.id, actor=actor, reason="refunded", now=now)


# -- helpers ---------------------------------------------------------------------------------------


def require_amount(checkout: Row[Any], intent: Intent) -> None:
    """Raise AmountDiffers unless the captured amount is the checkout's."""
    if (intent.captured_minor, intent.currency) != (checkout.amount_minor, checkout.currency):
        raise AmountDiffers(
            f"checkout {checkout.id} is for {checkout.amount_minor} {checkout.currency}, "
            f"{intent.id} took {intent.captured_minor} {intent.currency}"
        )


def is_surplus(intent: Intent, payments_of_checkout: Sequence[Row[Any]]) -> bool:
    """Whether another payment of the checkout is captured."""
    return any(
        row.captured_minor > 0 and row.checkout_id is not None and row.intent_id != intent.id
        for row in payments_of_checkout
    )


async def take_place(
    uow: UnitOfWork, checkout: Row[Any], booking: Row[Any] | None, intent: Intent | None, *, now: datetime
) -> UUID | None:
    """Book the place of a paid checkout and release its hold; returns the id of the confirmed booking. None
    if there is no place, or if the payment was refunded in full."""
    await holds.release(uow, checkout_id=checkout.id, now=now)
    if booking is not None:
        return booking.id if booking.status == "confirmed" else None
    if intent is not None and intent.left_minor <= 0:
        return None
    try:
        booked = await bookings.confirm(
            uow,
            slot_id=checkout.slot_id,
            customer_id=checkout.customer_id,
            checkout_id=checkout.id,
            now=now,
        )
    except Problem:
        return None
    booking_id: UUID = booked.id
    return booking_id


async def _booked(uow: UnitOfWork, checkout: Row[Any], booking_id: UUID, *, now: datetime) -> CheckoutOutcome:
    answer = Answer(
        201,
        json.dumps(
            {
                "booking_id": str(booking_id),
                "checkout_id": str(checkout.id),
                "amount_minor": checkout.amount_minor,
                "currency": checkout.currency,
            },
            separators=(",", ":"),
        ),
    )
    await outbox.put(
        uow,
        topic="booking.confirmed",
        payload={"booking_id": booking_id, "checkout_id": checkout.id},
        now=now,
    )
    return CheckoutOutcome(await settle(uow, checkout, "booked", answer, now=now))


async def _end_unpaid(
    uow: UnitOfWork, checkout: Row[Any], state: str, answer: Answer, *, now: datetime
) -> CheckoutOutcome:
    if checkout.state not in UNDECIDED:
        return CheckoutOutcome(decided(checkout))
    await holds.release(uow, checkout_id=checkout.id, now=now)
    return CheckoutOutcome(await settle(uow, checkout, state, answer, now=now))


async def settle(uow: UnitOfWork, checkout: Row[Any], state: str, answer: Answer, *, now: datetime) -> Answer:
    """Move the checkout to a state and record the answer, also under the key of the request that pays."""
    await store.settle(uow, checkout_id=checkout.id, state=state, outcome=answer, now=now)
    await record_answer(uow, checkout, answer)
    await audit.record(
        uow,
        at=now,
        actor=audit.SYSTEM,
        action=state,
        entity="checkout",
        entity_id=checkout.id,
        before=checkout.state,
        status=answer.status,
    )
    return answer


async def record_answer(uow: UnitOfWork, checkout: Row[Any], answer: Answer) -> None:
    """Record the answer for every repeat of the payment request."""
    if checkout.pay_key is not None:
        await idempotency.finish(uow, customer_id=checkout.customer_id, key=checkout.pay_key, answer=answer)


def decided(checkout: Row[Any]) -> Answer:
    """Return the recorded answer of a checkout that has ended."""
    return store.recorded_outcome(checkout.outcome) or refused(refusals.CHECKOUT_CLOSED, state=checkout.state)


def processing(checkout: Row[Any]) -> Answer:
    """Return the answer to give until the provider has reported the payment."""
    body = {"checkout_id": str(checkout.id), "state": "processing"}
    return Answer(202, json.dumps(body, separators=(",", ":")))


def refused(kind: Kind, detail: str = "", **members: Any) -> Answer:
    """Return a conclusive refusal in its recorded form."""
    return Answer(kind.status, Problem(kind, detail, **members).body())
