"""How a checkout ends: decided once, under the checkout's row lock, whoever comes to decide.

Each function takes the locked checkout and what the provider says, and writes everything that
belongs to that end in the caller's transaction: booking, hold, payment with its ledger pair, owed
refund, the checkout's state, and the answer under the idempotency key. So the end is all there or
not at all, and saga, webhooks, recovery and reconciliation may each arrive at it, in any order.

Whoever moves a checkout, its booking or its payments locks the checkout first; slots come last.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row

from reference_system.booking import idempotency
from reference_system.booking.audit import store as audit
from reference_system.booking.bookings import service as bookings
from reference_system.booking.checkout import refusals, store
from reference_system.booking.db import UnitOfWork
from reference_system.booking.holds import service as holds
from reference_system.booking.idempotency import Answer
from reference_system.booking.outbox import store as outbox
from reference_system.booking.payments import refunds
from reference_system.booking.payments import service as payments
from reference_system.booking.payments import store as payment_rows
from reference_system.booking.payments.intents import Intent
from reference_system.booking.problems import Kind, Problem
from reference_system.booking.venues import places

UNDECIDED = frozenset({"open", "paying", "processing"})


class NeedsPerson(Exception):
    """What the provider says fits no rule: a person must look, and nothing is changed until then."""


class AmountDiffers(NeedsPerson):
    """The provider took another amount than the checkout's."""


@dataclass(frozen=True, slots=True)
class Ending:
    """The answer to the client, and the refund that is owed with it, if one is."""

    answer: Answer
    refund_id: UUID | None = None


async def complete(uow: UnitOfWork, checkout: Row[Any], intent: Intent, *, now: datetime) -> Ending:
    """The money is taken: book the place, or if it is lost owe the money back.

    On a checkout that has another captured payment this one is surplus and owed back whole. Raises
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
        return Ending(recorded)
    return await book_or_owe(uow, checkout, booking, intent, now=now)


async def book_or_owe(
    uow: UnitOfWork, checkout: Row[Any], booking: Row[Any] | None, intent: Intent, *, now: datetime
) -> Ending:
    """A recorded capture gets its booking or, where the place is lost, is owed back."""
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
        return Ending(recorded, refund_id)  # booked and cancelled since
    answer = refused(places.SOLD_OUT, "The place was lost; what was charged is paid back.")
    return Ending(await settle(uow, checkout, "failed", answer, now=now), refund_id)


async def complete_free(uow: UnitOfWork, checkout: Row[Any], *, now: datetime) -> Ending:
    """There is nothing to pay: book the place that is held."""
    booking = await store.lock_booking(uow, checkout.id)
    booking_id = await take_place(uow, checkout, booking, None, now=now)
    if booking_id is not None:
        return await _booked(uow, checkout, booking_id, now=now)
    return Ending(await settle(uow, checkout, "failed", refused(places.SOLD_OUT), now=now))


async def decline(uow: UnitOfWork, checkout: Row[Any], intent: Intent, *, now: datetime) -> Ending:
    """The card or the bank said no: nothing is charged, the place is free again."""
    await payments.record_progress(uow, intent, checkout_id=checkout.id, state="failed")
    return await _end_unpaid(uow, checkout, "declined", refused(refusals.CARD_DECLINED), now=now)


async def not_taken(uow: UnitOfWork, checkout: Row[Any], intent: Intent | None, *, now: datetime) -> Ending:
    """There is no payment and there will be none: nothing is charged, the place is free again."""
    if intent is not None:
        await payments.record_progress(uow, intent, checkout_id=checkout.id, state="voided")
    return await _end_unpaid(uow, checkout, "expired", refused(refusals.PAYMENT_NOT_TAKEN), now=now)


async def place_lost(uow: UnitOfWork, checkout: Row[Any], intent: Intent | None, *, now: datetime) -> Ending:
    """The place was lost before anything was charged."""
    if intent is not None:
        await payments.record_progress(uow, intent, checkout_id=checkout.id, state="voided")
    return await _end_unpaid(uow, checkout, "failed", refused(places.SOLD_OUT), now=now)


async def pending(uow: UnitOfWork, checkout: Row[Any], intent: Intent, *, now: datetime) -> Ending:
    """The provider will say later whether the money came; the place stays held until then."""
    if checkout.state not in UNDECIDED:
        return Ending(decided(checkout))
    await payments.note(uow, intent, checkout_id=checkout.id)
    return Ending(await settle(uow, checkout, "processing", processing(checkout), now=now))


async def return_surplus(uow: UnitOfWork, checkout: Row[Any], intent: Intent, *, now: datetime) -> Ending:
    """A second charge of one checkout: on the books, and owed back whole."""
    payment = await payments.record_capture(uow, intent, checkout_id=checkout.id, surplus=True, now=now)
    captured = await payment_rows.lock_payment_by_id(uow, payment.id)
    refund_id = await refunds.owe(
        uow, captured, left_minor=intent.left_minor, reason="charged twice", now=now
    )
    return Ending(decided(checkout), refund_id)


async def cancel_if_refunded(
    uow: UnitOfWork, checkout_id: UUID, payment_id: UUID, *, actor: str, now: datetime
) -> None:
    """A booking whose whole price went back does not keep its place. The checkout is locked."""
    payment = await payment_rows.lock_payment_by_id(uow, payment_id)
    booking = await store.lock_booking(uow, checkout_id)
    if (
        payment.state == "refunded"
        and payment.checkout_id == checkout_id
        and booking is not None
        and booking.status == "confirmed"
    ):
        await bookings.cancel_locked(uow, booking_id=booking.id, actor=actor, reason="refunded", now=now)


# -- the pieces ------------------------------------------------------------------------------------


def require_amount(checkout: Row[Any], intent: Intent) -> None:
    """Raises AmountDiffers unless the provider took just what the checkout says."""
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
    """The confirmed booking of a paid checkout; None when there is no place, or no money left to keep
    it for. The hold is used up either way."""
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


async def _booked(uow: UnitOfWork, checkout: Row[Any], booking_id: UUID, *, now: datetime) -> Ending:
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
    return Ending(await settle(uow, checkout, "booked", answer, now=now))


async def _end_unpaid(
    uow: UnitOfWork, checkout: Row[Any], state: str, answer: Answer, *, now: datetime
) -> Ending:
    if checkout.state not in UNDECIDED:
        return Ending(decided(checkout))
    await holds.release(uow, checkout_id=checkout.id, now=now)
    return Ending(await settle(uow, checkout, state, answer, now=now))


async def settle(uow: UnitOfWork, checkout: Row[Any], state: str, answer: Answer, *, now: datetime) -> Answer:
    """Move the checkout to a state and record the answer, under the key of whoever pays too."""
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
    """Make it the answer to every repeat of the request that pays."""
    if checkout.pay_key is not None:
        await idempotency.finish(uow, customer_id=checkout.customer_id, key=checkout.pay_key, answer=answer)


def decided(checkout: Row[Any]) -> Answer:
    """The outcome of a checkout that has ended."""
    return store.recorded_outcome(checkout.outcome) or refused(refusals.CHECKOUT_CLOSED, state=checkout.state)


def processing(checkout: Row[Any]) -> Answer:
    """The answer while the provider has yet to say whether the money came."""
    body = {"checkout_id": str(checkout.id), "state": "processing"}
    return Answer(202, json.dumps(body, separators=(",", ":")))


def refused(kind: Kind, detail: str = "", **members: Any) -> Answer:
    """A conclusive refusal, as it is recorded and replayed."""
    return Answer(kind.status, Problem(kind, detail, **members).body())
