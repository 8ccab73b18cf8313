"""SYS-01, paying and booking as one: mistakes by which money, booking and books come apart in a crash."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row

from reference_system.booking import idempotency
from reference_system.booking.bookings import service as bookings
from reference_system.booking.checkout import ending, paying, refusals, saga
from reference_system.booking.checkout import store as checkouts
from reference_system.booking.checkout.ending import Ending
from reference_system.booking.checkout.saga import Attempt, End
from reference_system.booking.db import UnitOfWork
from reference_system.booking.db_errors import DatabaseFailed
from reference_system.booking.holds import store as holds
from reference_system.booking.idempotency import Answer
from reference_system.booking.ledger import service as ledger
from reference_system.booking.payments import client, refunds
from reference_system.booking.payments import service as payments
from reference_system.booking.payments import store as payment_rows
from reference_system.booking.payments.intents import Intent
from reference_system.booking.reconciliation.diagnosis import Difference
from reference_system.booking.reconciliation.facts import Here, There
from reference_system.booking.runtime import Runtime
from reference_system.booking.settings import Settings
from reference_system.mutants.mutant import Mutant, Replace

_SAGA = "reference_system.booking.checkout.saga"
_ENDING = "reference_system.booking.checkout.ending"
_DIAGNOSIS = "reference_system.booking.reconciliation.diagnosis"

_complete = ending.complete
_owe = refunds.owe
_finish = saga.finish
_conclude = saga.conclude
_capture = saga.capture
_closed = paying.closed
_confirm = bookings.confirm
_record_answer = idempotency.finish


def _none(there: There, here: Here) -> Iterable[Difference]:
    return ()


# An attempt that did not come to its end was not made: nobody asks the provider what came of it.


async def _write_off(runtime: Runtime, attempt: Attempt) -> str:
    async def end(uow: UnitOfWork, checkout: Row[Any], *, now: datetime) -> Ending:
        return await ending.not_taken(uow, checkout, None, now=now)

    return str((await saga.conclude(runtime, attempt, end)).status)


async def _complete_unless_ended(
    uow: UnitOfWork, checkout: Row[Any], intent: Intent, *, now: datetime
) -> Ending:
    if checkout.state not in ending.UNDECIDED:
        return Ending(ending.decided(checkout))
    return await _complete(uow, checkout, intent, now=now)


_WRITTEN_OFF = (
    Replace("reference_system.booking.checkout.recovery:recover", _write_off),
    Replace(f"{_ENDING}:complete", _complete_unless_ended),
    Replace(f"{_DIAGNOSIS}:unknown_captures", _none),
)


async def _owe_for_bookings(
    uow: UnitOfWork, payment: Row[Any], *, left_minor: int, reason: str, now: datetime
) -> UUID | None:
    if payment.checkout_id is not None and await checkouts.lock_booking(uow, payment.checkout_id) is None:
        return None
    return await _owe(uow, payment, left_minor=left_minor, reason=reason, now=now)


async def _finish_or_pay_back(runtime: Runtime, attempt: Attempt, intent: Intent) -> Answer:
    try:
        return await _finish(runtime, attempt, intent)
    except DatabaseFailed:
        await client.of(runtime).refund(
            refund_id=attempt.checkout_id,
            intent_id=intent.id,
            amount_minor=intent.left_minor,
            currency=intent.currency,
        )
        raise


# The customer need not wait for the provider: the place is his at once, the money comes surely.


async def _book_then_capture(runtime: Runtime, attempt: Attempt, intent: Intent) -> Intent:
    promised = replace(intent, status="captured", captured_minor=intent.amount_minor)
    await saga.finish(runtime, attempt, promised)
    return await _capture(runtime, attempt, intent)


# Doing it again with the same key is doing it once, it is thought; but the key is not sent.


def _no_key(key: str | None) -> dict[str, str]:
    return {}


async def _create_again(runtime: Runtime, attempt: Attempt) -> Intent | None:
    if attempt.token is None:
        return await saga.find_intent(runtime, attempt.checkout_id)
    return await client.of(runtime).create_intent(
        checkout_id=attempt.checkout_id,
        amount_minor=attempt.amount_minor,
        currency=attempt.currency,
        method=attempt.method,
        token=attempt.token,
    )


def _never(intent: Intent, payments_of_checkout: Sequence[Row[Any]]) -> bool:
    return False


# Bookkeeping comes after business.


async def _record_without_books(
    uow: UnitOfWork, intent: Intent, *, checkout_id: UUID, surplus: bool, now: datetime
) -> Row[Any]:
    payment = await payments.note(uow, intent, checkout_id=checkout_id, surplus=surplus)
    await payment_rows.capture(uow, payment_id=payment.id, amount_minor=intent.captured_minor)
    return payment


async def _conclude_then_post(
    runtime: Runtime, attempt: Attempt, end: End, *, fenced: bool = False
) -> Answer:
    answer = await _conclude(runtime, attempt, end, fenced=fenced)
    now = await runtime.clock.now()

    async def post(uow: UnitOfWork) -> None:
        for payment in await payment_rows.lock_payments_of_checkout(uow, attempt.checkout_id):
            if payment.captured_minor > 0:
                await ledger.post_capture(
                    uow,
                    payment_id=payment.id,
                    intent_id=payment.intent_id,
                    amount_minor=payment.captured_minor,
                    currency=payment.currency,
                    now=now,
                )

    await runtime.database.run(post)
    return answer


# A hold is used up by its booking; that there may be none is not thought of.


def _for_good(now: datetime, ttl_s: float) -> datetime:
    return now + timedelta(days=36_525)


async def _left_to_the_booking(uow: UnitOfWork, *, checkout_id: UUID, now: datetime) -> bool:
    return False


async def _confirm_for_hold(
    uow: UnitOfWork, *, slot_id: UUID, customer_id: UUID, checkout_id: UUID, now: datetime
) -> Row[Any]:
    await holds.release_hold(uow, checkout_id=checkout_id, now=now)
    return await _confirm(uow, slot_id=slot_id, customer_id=customer_id, checkout_id=checkout_id, now=now)


# The answer is remembered once all is done.


async def _not_yet(uow: UnitOfWork, checkout: Row[Any], answer: Answer) -> None:
    pass


async def _conclude_then_remember(
    runtime: Runtime, attempt: Attempt, end: End, *, fenced: bool = False
) -> Answer:
    answer = await _conclude(runtime, attempt, end, fenced=fenced)

    async def remember(uow: UnitOfWork) -> None:
        if attempt.key is not None:
            await idempotency.finish(uow, customer_id=attempt.customer_id, key=attempt.key, answer=answer)

    await runtime.database.run(remember)
    return answer


async def _closed_to_everybody(
    uow: UnitOfWork, checkout: Row[Any], *, resumed: bool, settings: Settings, now: datetime
) -> Answer:
    return await _closed(uow, checkout, resumed=False, settings=settings, now=now)


# What failed may be tried again, so there is nothing to remember of it.

_REOPEN = "UPDATE checkouts SET state = 'open', lease_until = NULL, updated_at = :now WHERE id = :id"
_FORGET = "UPDATE idempotency_keys SET lease_until = NULL WHERE customer_id = :customer_id AND key = :key"


async def _remember_successes(uow: UnitOfWork, *, customer_id: UUID, key: str, answer: Answer) -> None:
    if answer.status < 400:
        await _record_answer(uow, customer_id=customer_id, key=key, answer=answer)
    else:
        await uow.execute(_FORGET, customer_id=customer_id, key=key)


async def _decline_for_now(uow: UnitOfWork, checkout: Row[Any], intent: Intent, *, now: datetime) -> Ending:
    await payments.record_progress(uow, intent, checkout_id=checkout.id, state="failed")
    await uow.execute(_REOPEN, id=checkout.id, now=now)
    answer = ending.refused(refusals.CARD_DECLINED)
    await ending.record_answer(uow, checkout, answer)
    return Ending(answer)


MUTANTS = (
    Mutant(
        id="SYS-01.1",
        harm="Who is charged as the service dies gets neither the booking nor the money back.",
        substitutions=(
            *_WRITTEN_OFF,
            Replace("reference_system.booking.payments.refunds:owe", _owe_for_bookings),
        ),
    ),
    Mutant(
        id="SYS-01.2",
        harm="Who is booked as the service dies never pays, and nobody notices.",
        substitutions=(
            Replace(f"{_SAGA}:capture", _book_then_capture),
            Replace(f"{_DIAGNOSIS}:missing_captures", _none),
        ),
    ),
    Mutant(
        id="SYS-01.3",
        harm="A payment whose booking fails is paid back at once, unless the service dies just then.",
        substitutions=(*_WRITTEN_OFF, Replace(f"{_SAGA}:finish", _finish_or_pay_back)),
    ),
    Mutant(
        id="SYS-01.4",
        harm="Who pays again after the connection was lost is charged again.",
        substitutions=(
            Replace("reference_system.booking.payments.client:headers", _no_key),
            Replace(f"{_SAGA}:obtain_intent", _create_again),
            Replace(f"{_ENDING}:is_surplus", _never),
            Replace(f"{_DIAGNOSIS}:second_captures", _none),
        ),
    ),
    Mutant(
        id="SYS-01.5",
        harm="A booking stands for a while, or if the service dies for good, without its money in the books.",
        substitutions=(
            Replace("reference_system.booking.payments.service:record_capture", _record_without_books),
            Replace(f"{_SAGA}:conclude", _conclude_then_post),
        ),
    ),
    Mutant(
        id="SYS-01.6",
        harm="A place held for a checkout that came to nothing is held for ever.",
        substitutions=(
            Replace("reference_system.booking.holds.service:expiry", _for_good),
            Replace("reference_system.booking.holds.service:release", _left_to_the_booking),
            Replace("reference_system.booking.bookings.service:confirm", _confirm_for_hold),
        ),
        also_opens={"SYS-01.f": "nobody can be told that a place was taken whose hold never ends"},
    ),
    Mutant(
        id="SYS-01.7",
        harm="Who is booked as the service dies and asks again is told that he is refused.",
        substitutions=(
            Replace(f"{_ENDING}:record_answer", _not_yet),
            Replace(f"{_SAGA}:conclude", _conclude_then_remember),
            Replace("reference_system.booking.checkout.paying:closed", _closed_to_everybody),
        ),
    ),
    Mutant(
        id="SYS-01.8",
        harm="No refusal is remembered: who asks again may hear otherwise, and pay for what he was denied.",
        substitutions=(
            Replace("reference_system.booking.idempotency:finish", _remember_successes),
            Replace(f"{_ENDING}:decline", _decline_for_now),
        ),
        also_opens={"SYS-01.e": "among its many checkouts are declined ones, which are repeated too"},
    ),
)
