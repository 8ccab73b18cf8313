"""SYS-01, atomic payment and booking: after a crash, charge, booking and ledger disagree."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row

from reference_system.booking.bookings import service as bookings
from reference_system.booking.checkout import outcomes, recovery, refusals, saga
from reference_system.booking.checkout import payment as paying
from reference_system.booking.checkout import store as checkouts
from reference_system.booking.checkout.outcomes import CheckoutOutcome
from reference_system.booking.checkout.saga import Attempt, End
from reference_system.booking.holds import service as holds
from reference_system.booking.holds import store as hold_rows
from reference_system.booking.ledger import service as ledger
from reference_system.booking.payments import client, refunds
from reference_system.booking.payments import service as payments
from reference_system.booking.payments import store as payment_rows
from reference_system.booking.payments.intents import Intent
from reference_system.booking.platform import idempotency
from reference_system.booking.platform.db import UnitOfWork
from reference_system.booking.platform.db_errors import DatabaseFailed
from reference_system.booking.platform.idempotency import Answer
from reference_system.booking.platform.runtime import Runtime
from reference_system.booking.platform.settings import Settings
from reference_system.booking.reconciliation import diagnosis
from reference_system.booking.reconciliation.diagnosis import Difference
from reference_system.booking.reconciliation.facts import Here, There
from reference_system.mutants.mutant import Mutant

charged_and_dropped = Mutant(
    "SYS-01.1",
    "A customer who is charged while the service crashes gets neither the booking nor the money back.",
)
booked_unpaid = Mutant(
    "SYS-01.2",
    "A customer who is booked while the service crashes never pays, and nothing detects it.",
)
refund_not_durable = Mutant(
    "SYS-01.3",
    "A payment whose booking fails is refunded at once, unless the service crashes at that moment.",
)
no_idempotency_key = Mutant("SYS-01.4", "A customer who pays again after a lost connection is charged again.")
late_posting = Mutant(
    "SYS-01.5",
    "A booking exists without its money in the books: for a moment, or for good after a crash.",
)
endless_hold = Mutant(
    "SYS-01.6",
    "A place held for a checkout that did not complete is held forever.",
    also_opens={"SYS-01.f": "nobody can be told that a place was taken whose hold never ends"},
)
late_answer = Mutant(
    "SYS-01.7",
    "A customer who is booked while the service crashes is told on the repeat that the booking was refused.",
)
refusals_forgotten = Mutant(
    "SYS-01.8",
    "No refusal is recorded: a repeat may get another answer, and the customer pays for what was refused.",
    also_opens={"SYS-01.e": "among its many checkouts are declined ones, which are repeated too"},
)


# An incomplete attempt is treated as never made: the provider is not asked for its result.


@charged_and_dropped.replace(recovery.recover)
@refund_not_durable.replace(recovery.recover)
async def write_off(runtime: Runtime, attempt: Attempt) -> str:
    async def end(uow: UnitOfWork, checkout: Row[Any], *, now: datetime) -> CheckoutOutcome:
        return await outcomes.not_taken(uow, checkout, None, now=now)

    return str((await saga.conclude(runtime, attempt, end)).status)


@charged_and_dropped.wrap(outcomes.complete)
@refund_not_durable.wrap(outcomes.complete)
async def complete_unless_ended(
    complete: Callable[..., Awaitable[CheckoutOutcome]],
    uow: UnitOfWork,
    checkout: Row[Any],
    intent: Intent,
    *,
    now: datetime,
) -> CheckoutOutcome:
    if checkout.state not in outcomes.UNDECIDED:
        return CheckoutOutcome(outcomes.decided(checkout))
    return await complete(uow, checkout, intent, now=now)


@charged_and_dropped.replace(diagnosis.unknown_captures)
@refund_not_durable.replace(diagnosis.unknown_captures)
@booked_unpaid.replace(diagnosis.missing_captures)
@no_idempotency_key.replace(diagnosis.second_captures)
def no_differences(there: There, here: Here) -> Iterable[Difference]:
    return ()


@charged_and_dropped.wrap(refunds.owe)
async def owe_for_bookings(
    owe: Callable[..., Awaitable[UUID | None]],
    uow: UnitOfWork,
    payment: Row[Any],
    *,
    left_minor: int,
    reason: str,
    now: datetime,
) -> UUID | None:
    if payment.checkout_id is not None and await checkouts.lock_booking(uow, payment.checkout_id) is None:
        return None
    return await owe(uow, payment, left_minor=left_minor, reason=reason, now=now)


@refund_not_durable.wrap(saga.finish)
async def finish_or_refund(
    finish: Callable[[Runtime, Attempt, Intent], Awaitable[Answer]],
    runtime: Runtime,
    attempt: Attempt,
    intent: Intent,
) -> Answer:
    try:
        return await finish(runtime, attempt, intent)
    except DatabaseFailed:
        await client.of(runtime).refund(
            refund_id=attempt.checkout_id,
            intent_id=intent.id,
            amount_minor=intent.left_minor,
            currency=intent.currency,
        )
        raise


# The place is booked before the provider answers; the capture is expected to succeed.


@booked_unpaid.wrap(saga.capture)
async def book_then_capture(
    capture: Callable[[Runtime, Attempt, Intent], Awaitable[Intent]],
    runtime: Runtime,
    attempt: Attempt,
    intent: Intent,
) -> Intent:
    promised = replace(intent, status="captured", captured_minor=intent.amount_minor)
    await saga.finish(runtime, attempt, promised)
    return await capture(runtime, attempt, intent)


# A repeat with the same key is expected to take effect once, but the key is not sent.


@no_idempotency_key.replace(client.headers)
def no_key(key: str | None) -> dict[str, str]:
    return {}


@no_idempotency_key.replace(saga.obtain_intent)
async def create_again(runtime: Runtime, attempt: Attempt) -> Intent | None:
    if attempt.token is None:
        return await saga.find_intent(runtime, attempt.checkout_id)
    return await client.of(runtime).create_intent(
        checkout_id=attempt.checkout_id,
        amount_minor=attempt.amount_minor,
        currency=attempt.currency,
        method=attempt.method,
        token=attempt.token,
    )


@no_idempotency_key.replace(outcomes.is_surplus)
def never_surplus(intent: Intent, payments_of_checkout: Sequence[Row[Any]]) -> bool:
    return False


# The ledger is posted after the booking has committed.


@late_posting.replace(payments.record_capture)
async def record_without_posting(
    uow: UnitOfWork, intent: Intent, *, checkout_id: UUID, surplus: bool, now: datetime
) -> Row[Any]:
    payment = await payments.note(uow, intent, checkout_id=checkout_id, surplus=surplus)
    await payment_rows.capture(uow, payment_id=payment.id, amount_minor=intent.captured_minor)
    return payment


@late_posting.wrap(saga.conclude)
async def conclude_then_post(
    conclude: Callable[..., Awaitable[Answer]],
    runtime: Runtime,
    attempt: Attempt,
    end: End,
    *,
    fenced: bool = False,
) -> Answer:
    answer = await conclude(runtime, attempt, end, fenced=fenced)
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


# The booking ends the hold; a checkout without a booking is not considered.


@endless_hold.replace(holds.expiry)
def for_good(now: datetime, ttl_s: float) -> datetime:
    return now + timedelta(days=36_525)


@endless_hold.replace(holds.release)
async def left_to_the_booking(uow: UnitOfWork, *, checkout_id: UUID, now: datetime) -> bool:
    return False


@endless_hold.wrap(bookings.confirm)
async def confirm_and_release(
    confirm: Callable[..., Awaitable[Row[Any]]],
    uow: UnitOfWork,
    *,
    slot_id: UUID,
    customer_id: UUID,
    checkout_id: UUID,
    now: datetime,
) -> Row[Any]:
    await hold_rows.release_hold(uow, checkout_id=checkout_id, now=now)
    return await confirm(uow, slot_id=slot_id, customer_id=customer_id, checkout_id=checkout_id, now=now)


# The answer is recorded in a transaction of its own, after everything else.


@late_answer.replace(outcomes.record_answer)
async def not_yet(uow: UnitOfWork, checkout: Row[Any], answer: Answer) -> None:
    pass


@late_answer.wrap(saga.conclude)
async def conclude_then_record(
    conclude: Callable[..., Awaitable[Answer]],
    runtime: Runtime,
    attempt: Attempt,
    end: End,
    *,
    fenced: bool = False,
) -> Answer:
    answer = await conclude(runtime, attempt, end, fenced=fenced)

    async def record(uow: UnitOfWork) -> None:
        if attempt.key is not None:
            await idempotency.finish(uow, customer_id=attempt.customer_id, key=attempt.key, answer=answer)

    await runtime.database.run(record)
    return answer


@late_answer.wrap(paying.closed)
async def closed_to_repeats_too(
    closed: Callable[..., Awaitable[Answer]],
    uow: UnitOfWork,
    checkout: Row[Any],
    *,
    resumed: bool,
    settings: Settings,
    now: datetime,
) -> Answer:
    return await closed(uow, checkout, resumed=False, settings=settings, now=now)


# A failed request may be retried, so no result is recorded.

REOPEN = "UPDATE checkouts SET state = 'open', lease_until = NULL, updated_at = :now WHERE id = :id"
FORGET = "UPDATE idempotency_keys SET lease_until = NULL WHERE customer_id = :customer_id AND key = :key"


@refusals_forgotten.wrap(idempotency.finish)
async def record_successes(
    finish: Callable[..., Awaitable[None]], uow: UnitOfWork, *, customer_id: UUID, key: str, answer: Answer
) -> None:
    if answer.status < 400:
        await finish(uow, customer_id=customer_id, key=key, answer=answer)
    else:
        await uow.execute(FORGET, customer_id=customer_id, key=key)


@refusals_forgotten.replace(outcomes.decline)
async def decline_for_now(
    uow: UnitOfWork, checkout: Row[Any], intent: Intent, *, now: datetime
) -> CheckoutOutcome:
    await payments.record_progress(uow, intent, checkout_id=checkout.id, state="failed")
    await uow.execute(REOPEN, id=checkout.id, now=now)
    answer = outcomes.refused(refusals.CARD_DECLINED)
    await outcomes.record_answer(uow, checkout, answer)
    return CheckoutOutcome(answer)
