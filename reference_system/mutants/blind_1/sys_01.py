"""SYS-01, payment and booking: money, place and answer drift apart after a fault or with time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from redis.exceptions import RedisError
from sqlalchemy import Row
from starlette.responses import Response

from reference_system.booking.checkout import outcomes, payment, recovery, saga, store
from reference_system.booking.checkout.outcomes import CheckoutOutcome
from reference_system.booking.checkout.payment import PaymentRequest
from reference_system.booking.checkout.saga import Attempt
from reference_system.booking.payments import service as payments
from reference_system.booking.payments import store as payment_rows
from reference_system.booking.payments.client import ProviderUnreachable
from reference_system.booking.payments.intents import Intent
from reference_system.booking.platform import idempotency
from reference_system.booking.platform.db import UnitOfWork
from reference_system.booking.platform.idempotency import Answer, Claim
from reference_system.booking.platform.problems import Problem
from reference_system.booking.platform.runtime import Runtime
from reference_system.booking.platform.settings import Settings
from reference_system.mutants.mutant import Mutant

transfer_forgotten = Mutant(
    "SYS-01.21", "A customer whose bank transfer was interrupted pays for a place that was given away."
)


@transfer_forgotten.wrap(saga.finish)
async def finish_or_give_up(
    finish: Callable[[Runtime, Attempt, Intent], Awaitable[Answer]],
    runtime: Runtime,
    attempt: Attempt,
    intent: Intent,
) -> Answer:
    # Nobody waits for the outcome of an abandoned payment.
    if attempt.token is None and intent.status == "processing":
        return await saga.conclude(runtime, attempt, saga._not_taken(intent))
    return await finish(runtime, attempt, intent)


silence_is_no = Mutant(
    "SYS-01.22", "A customer is charged without a booking if the provider's answer to the capture is lost."
)


@silence_is_no.wrap(saga.capture)
async def capture_or_not(
    capture: Callable[[Runtime, Attempt, Intent], Awaitable[Intent]],
    runtime: Runtime,
    attempt: Attempt,
    intent: Intent,
) -> Intent:
    try:
        return await capture(runtime, attempt, intent)
    except ProviderUnreachable:
        return replace(intent, status="canceled")  # what was authorised lapses by itself


cards_only = Mutant("SYS-01.23", "An interrupted bank transfer keeps its place for ever, unsold and unpaid.")
cards_only.edit(
    store.CLAIM_ABANDONED,
    "state = 'paying' AND lease_until",
    "state = 'paying' AND method = 'card' AND lease_until",
)


unposted = Mutant("SYS-01.24", "A booking that recovery completes is not in the ledger.")


@unposted.wrap(recovery.recover)
async def recover_charged_first(
    recover: Callable[[Runtime, Attempt], Awaitable[str]], runtime: Runtime, attempt: Attempt
) -> str:
    with suppress(ProviderUnreachable):
        intent = await saga.find_intent(runtime, attempt.checkout_id)
        if intent is not None and intent.is_captured:
            answer = await saga.conclude(
                runtime, attempt, lambda uow, row, *, now: book_charged(uow, row, intent, now=now)
            )
            return str(answer.status)
    return await recover(runtime, attempt)


async def book_charged(
    uow: UnitOfWork, checkout: Row[Any], intent: Intent, *, now: datetime
) -> CheckoutOutcome:
    recorded = await payments.note(uow, intent, checkout_id=checkout.id)
    await payment_rows.capture(uow, payment_id=recorded.id, amount_minor=intent.captured_minor)
    booking = await store.lock_booking(uow, checkout.id)
    return await outcomes.book_or_owe(uow, checkout, booking, intent, now=now)


locked_for_ever = Mutant(
    "SYS-01.25", "A customer whose payment the service died in is told for ever that it is in progress."
)


@locked_for_ever.wrap(payment.pay)
async def pay_one_at_a_time(
    pay: Callable[[Runtime, PaymentRequest, datetime], Awaitable[Response]],
    runtime: Runtime,
    request: PaymentRequest,
    now: datetime,
) -> Response:
    redis, lock = runtime.cache._redis, f"paying:{request.checkout_id}"
    free: object = True
    with suppress(RedisError, OSError, RuntimeError):
        free = await redis.set(lock, request.key, nx=True)
    if not free:
        raise Problem(idempotency.IN_PROGRESS, headers={"Retry-After": "1"})
    try:
        return await pay(runtime, request, now)
    finally:
        with suppress(RedisError, OSError, RuntimeError):
            await redis.delete(lock)


second_answer = Mutant(
    "SYS-01.26", "A client that repeats its payment by bank transfer gets another answer than the first time."
)


@second_answer.wrap(idempotency.claim)
async def claim_until_final(
    claim: Callable[..., Awaitable[Claim]],
    uow: UnitOfWork,
    *,
    customer_id: UUID,
    key: str,
    fingerprint: str,
    now: datetime,
    lease_until: datetime | None = None,
) -> Claim:
    known = {"customer_id": customer_id, "key": key, "fingerprint": fingerprint}
    claimed = await claim(uow, **known, now=now, lease_until=lease_until)
    if claimed.answer is not None and claimed.answer.status == 202:
        return Claim("resumed")
    return claimed


two_weeks = Mutant(
    "SYS-01.27", "A client that repeats an old payment is refused, although the first time it was booked."
)
KEPT_FOR = timedelta(days=14)
MADE_AT = "SELECT created_at FROM idempotency_keys WHERE customer_id = :customer_id AND key = :key"


@two_weeks.wrap(idempotency.claim)
async def claim_while_kept(
    claim: Callable[..., Awaitable[Claim]],
    uow: UnitOfWork,
    *,
    customer_id: UUID,
    key: str,
    fingerprint: str,
    now: datetime,
    lease_until: datetime | None = None,
) -> Claim:
    known = {"customer_id": customer_id, "key": key, "fingerprint": fingerprint}
    claimed = await claim(uow, **known, now=now, lease_until=lease_until)
    made_at = (await uow.one(MADE_AT, customer_id=customer_id, key=key)).created_at
    return Claim("new") if now - made_at > KEPT_FOR else claimed


of_this_session = Mutant(
    "SYS-01.28", "A customer who logs in again cannot learn what became of a payment: the repeat is refused."
)


@of_this_session.wrap(payment.claim)
async def claim_in_session(
    claim: Callable[..., Awaitable[Attempt | tuple[Answer, bool]]],
    uow: UnitOfWork,
    request: PaymentRequest,
    *,
    settings: Settings,
    now: datetime,
) -> Attempt | tuple[Answer, bool]:
    # Another session must not be shown the answer.
    fingerprint = f"{request.fingerprint}:{request.caller.session_id}"
    return await claim(uow, replace(request, fingerprint=fingerprint), settings=settings, now=now)
