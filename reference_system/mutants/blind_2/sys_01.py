"""SYS-01, payment and booking: money, place and answer drift apart after a fault or with time."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Row
from starlette.responses import Response

from reference_system.booking.checkout import outcomes, payment, recovery, saga, service, store
from reference_system.booking.checkout.payment import PaymentRequest
from reference_system.booking.checkout.saga import Attempt
from reference_system.booking.payments import client, intents
from reference_system.booking.payments.client import ProviderUnreachable
from reference_system.booking.payments.intents import Intent
from reference_system.booking.platform.db import UnitOfWork
from reference_system.booking.platform.db_errors import DatabaseFailed
from reference_system.booking.platform.idempotency import Answer
from reference_system.booking.platform.problems import Problem
from reference_system.booking.platform.runtime import Runtime
from reference_system.booking.platform.settings import Settings
from reference_system.booking.pricing import money
from reference_system.booking.pricing import service as pricing
from reference_system.mutants.mutant import Mutant

Pay = Callable[[Runtime, PaymentRequest, datetime], Awaitable[Response]]

price_first = Mutant(
    "SYS-01.32", "A client that repeats its payment an hour later is told that the price has expired."
)


@price_first.wrap(payment.claim)
async def claim_at_valid_price(
    claim: Callable[..., Awaitable[Attempt | tuple[Answer, bool]]],
    uow: UnitOfWork,
    request: PaymentRequest,
    *,
    settings: Settings,
    now: datetime,
) -> Attempt | tuple[Answer, bool]:
    checkout = await store.lock_checkout(uow, request.checkout_id)
    if checkout is not None and checkout.state not in outcomes.UNDECIDED:
        expires_at = await store.price_lock_expiry(uow, checkout.price_lock_id)
        if service.is_owner(checkout, request.caller) and pricing.lock_has_expired(expires_at, now):
            whose: dict[str, Any] = {"customer_id": checkout.customer_id, "slot_id": checkout.slot_id}
            problem = await service.price_lock_expired(uow, **whose, settings=settings, now=now)
            return Answer(problem.status, problem.body()), False
    return await claim(uow, request, settings=settings, now=now)


every_answer = Mutant(
    "SYS-01.34",
    "A client whose payment failed for a moment gets that failure for a day, although it was booked.",
)
DAY_S = 86_400


@every_answer.wrap(payment.pay)
async def pay_or_repeat(pay: Pay, runtime: Runtime, request: PaymentRequest, now: datetime) -> Response:
    name = f"answer:{request.caller.customer_id}:{request.key}:{request.fingerprint}"
    known = await runtime.cache.get(name)
    if known is not None:
        return Answer(**json.loads(known)).response(replayed=True)
    try:
        response = await pay(runtime, request, now)
    except Problem as problem:
        response = problem.response()
    answered = {"status": response.status_code, "body": bytes(response.body).decode()}
    await runtime.cache.put(name, json.dumps(answered), ttl_s=DAY_S)
    return response


begun_again = Mutant(
    "SYS-01.35", "A customer pays twice by bank transfer if the provider does not answer the first request."
)


@begun_again.wrap(saga.obtain_intent)
async def obtain_or_begin_again(
    obtain: Callable[[Runtime, Attempt], Awaitable[Intent | None]], runtime: Runtime, attempt: Attempt
) -> Intent | None:
    try:
        return await obtain(runtime, attempt)
    except ProviderUnreachable:
        if attempt.token is None:
            raise
    body = {
        "amount": money.to_major(attempt.amount_minor, attempt.currency),
        "currency": attempt.currency,
        "method": attempt.method,
        "token": attempt.token,
        "capture": "automatic" if attempt.method == "bank" else "manual",
        "metadata": {"checkout_id": str(attempt.checkout_id)},
    }
    # The provider may be stuck on the first key.
    again = f"{client.checkout_key(attempt.checkout_id)}:{uuid4()}"
    return intents.intent(await client.of(runtime)._call("POST", "/v1/payment_intents", key=again, body=body))


no_lease = Mutant(
    "SYS-01.36", "A place stays held for ever if the provider did not answer and the customer left."
)
CLEAR_LEASE = """
UPDATE checkouts SET lease_until = NULL, updated_at = :now
WHERE id = :checkout_id AND state = 'paying' AND lease_until = :lease_until
"""


@no_lease.replace(saga.let_go)
async def clear_lease(runtime: Runtime, attempt: Attempt) -> None:
    now = await runtime.clock.now()

    async def work(uow: UnitOfWork) -> None:
        cleared = await uow.execute(
            CLEAR_LEASE, checkout_id=attempt.checkout_id, lease_until=attempt.lease_until, now=now
        )
        if cleared and attempt.key is not None:
            await store.let_go_of_key(uow, customer_id=attempt.customer_id, key=attempt.key, now=now)

    with suppress(DatabaseFailed):
        await runtime.database.run(work)


in_memory = Mutant(
    "SYS-01.37", "A client that repeats its payment is told of a booking that was never committed."
)
answers: dict[tuple[UUID, UUID, str], Answer] = {}


@in_memory.wrap(outcomes.record_answer)
async def record_and_remember(
    record: Callable[[UnitOfWork, Row[Any], Answer], Awaitable[None]],
    uow: UnitOfWork,
    checkout: Row[Any],
    answer: Answer,
) -> None:
    if checkout.pay_key is not None:
        answers.setdefault((checkout.customer_id, checkout.id, checkout.pay_key), answer)
    await record(uow, checkout, answer)


@in_memory.wrap(payment.pay)
async def pay_unless_answered(pay: Pay, runtime: Runtime, request: PaymentRequest, now: datetime) -> Response:
    known = answers.get((request.caller.customer_id, request.checkout_id, request.key))
    return known.response(replayed=True) if known is not None else await pay(runtime, request, now)


never_wraps = Mutant(
    "SYS-01.38", "Half of the payments that are interrupted later are never completed and keep their places."
)
last_recovered = UUID(int=0)


@never_wraps.wrap(recovery.claim_next)
async def claim_where_it_stopped(
    claim_next: Callable[[Runtime, UUID], Awaitable[Row[Any] | None]], runtime: Runtime, after: UUID
) -> Row[Any] | None:
    global last_recovered  # noqa: PLW0603 - a run continues where the last one stopped
    abandoned = await claim_next(runtime, max(after, last_recovered))
    if abandoned is not None:
        last_recovered = abandoned.id
    return abandoned
