"""SYS-02, a login that ends during the payment: the checkout is lost, shown to others or not completed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row
from starlette.responses import Response

from reference_system.booking.accounts import authentication, sessions, tokens
from reference_system.booking.accounts import store as accounts
from reference_system.booking.accounts.authentication import Caller
from reference_system.booking.accounts.sessions import Grant
from reference_system.booking.accounts.tokens import AccessClaims
from reference_system.booking.checkout import outcomes, payment, saga, service
from reference_system.booking.checkout import store as checkouts
from reference_system.booking.checkout.outcomes import CheckoutOutcome
from reference_system.booking.checkout.payment import PaymentRequest
from reference_system.booking.checkout.saga import Attempt
from reference_system.booking.holds import store as holds
from reference_system.booking.payments import client
from reference_system.booking.payments import store as payments
from reference_system.booking.payments.intents import Intent
from reference_system.booking.platform.db import Database, UnitOfWork
from reference_system.booking.platform.idempotency import Answer
from reference_system.booking.platform.problems import NOT_FOUND, Problem
from reference_system.booking.platform.runtime import Runtime
from reference_system.booking.platform.settings import Settings
from reference_system.mutants.mutant import Mutant

ended_in_the_database_only = Mutant(
    "SYS-02.21",
    "Logging out everywhere does not reach the cached sessions: for some seconds a lost or stolen device "
    "can still fill in and pay a checkout.",
)


@ended_in_the_database_only.replace(sessions.end_all)
async def end_all_rows(runtime: Runtime, *, customer_id: UUID, now: datetime) -> int:
    async def revoke(uow: UnitOfWork) -> list[UUID]:
        ended = await accounts.revoke_all_sessions(uow, customer_id=customer_id, now=now)
        for session_id in ended:
            await sessions._audit_end(uow, session_id=session_id, actor=customer_id, why="all ended", now=now)
        return ended

    return len(await runtime.database.run(revoke))


clock_skew = Mutant(
    "SYS-02.22",
    "An access token is accepted for a minute after its expiry, to tolerate clocks that differ.",
)
TOLERATED = timedelta(seconds=60)


@clock_skew.replace(tokens.has_expired)
def expired_beyond_doubt(claims: AccessClaims, now: datetime) -> bool:
    return now >= claims.expires_at + TOLERATED


details_of_a_session = Mutant(
    "SYS-02.23",
    "A login clears the data that was entered in unfinished checkouts, in case the device is shared: who "
    "logs in afresh after a 401 has to enter everything again.",
)
CLEAR_DETAILS = """
UPDATE checkouts SET details = '{}', updated_at = :now
WHERE state = 'open' AND customer_id = (SELECT customer_id FROM sessions WHERE id = :session_id)
"""


@details_of_a_session.wrap(sessions.log_in)
async def log_in_to_a_clean_form(
    log_in: Callable[..., Awaitable[Grant]], runtime: Runtime, *, email: str, password: str, now: datetime
) -> Grant:
    grant = await log_in(runtime, email=email, password=password, now=now)

    async def clear(uow: UnitOfWork) -> None:
        await uow.execute(CLEAR_DETAILS, session_id=grant.session_id, now=now)

    await runtime.database.run(clear)
    return grant


idle_checkouts = Mutant(
    "SYS-02.24",
    "A checkout without a request for two minutes gives its place back, long before its hold expires: "
    "a customer who needs three minutes to log in afresh has lost it.",
    also_opens={"SYS-02.a": "a hold that is gone some minutes after the 401 has not survived it"},
)
idle_checkouts.edit(
    holds.EXPIRED_CHECKOUTS,
    "AND hold.expires_at <= :now",
    "AND (hold.expires_at <= :now OR checkout.updated_at + interval '2 minutes' <= :now)",
)


key_of_a_session = Mutant(
    "SYS-02.25",
    "An idempotency key is valid in the session that used it first: who repeats an undecided payment after "
    "a fresh login is refused (422) and never learns its outcome.",
)


@key_of_a_session.wrap(payment.pay)
async def pay_within_the_session(
    pay: Callable[..., Awaitable[Response]], runtime: Runtime, request: PaymentRequest, now: datetime
) -> Response:
    fingerprint = f"{request.caller.session_id}:{request.fingerprint}"
    return await pay(runtime, replace(request, fingerprint=fingerprint), now)


status_page = Mutant(
    "SYS-02.26",
    "While a bank transfer is under way anybody who has the link can read the checkout, with the name and "
    "the phone number in it.",
)


@status_page.replace(service.read)
async def read_or_await_the_bank(
    database: Database, *, checkout_id: UUID, by: Caller
) -> tuple[Row[Any], str | None]:
    checkout = await checkouts.read_checkout(database, checkout_id)
    # The bank's app may open the status page in another browser, where somebody else is logged in.
    if checkout is None or not (service.is_owner(checkout, by) or checkout.state == "processing"):
        raise Problem(NOT_FOUND)
    return checkout, await payments.payment_state(database, checkout_id)


replayed_to_anybody = Mutant(
    "SYS-02.27",
    "A recorded answer is replayed by its key before the caller is compared with the owner: another user who "
    "repeats the payment request is told that it succeeded, with the id of the booking.",
)
# The fingerprint has the checkout's id in it.
RECORDED = """
SELECT status, body FROM idempotency_keys
WHERE key = :key AND fingerprint = :fingerprint AND state = 'done'
"""


@replayed_to_anybody.wrap(payment.claim)
async def replay_or_claim(
    claim: Callable[..., Awaitable[Attempt | tuple[Answer, bool]]],
    uow: UnitOfWork,
    request: PaymentRequest,
    *,
    settings: Settings,
    now: datetime,
) -> Attempt | tuple[Answer, bool]:
    recorded = await uow.first(RECORDED, key=request.key, fingerprint=request.fingerprint)
    if recorded is not None:
        return Answer(recorded.status, recorded.body), True
    return await claim(uow, request, settings=settings, now=now)


voided_with_the_session = Mutant(
    "SYS-02.28",
    "A payment in flight is called off when its session ends before the capture: the checkout is over, and "
    "the customer who logs in afresh finds neither booking nor charge.",
)


@voided_with_the_session.wrap(saga.guard)
async def guard_the_session_too(
    guard: Callable[..., Awaitable[Attempt]], runtime: Runtime, attempt: Attempt, intent: Intent
) -> Attempt:
    session_id = attempt.session_id
    if session_id is None or await authentication.live_session(runtime, session_id) is not None:
        return await guard(runtime, attempt, intent)
    voided = await client.of(runtime).cancel(intent.id)

    async def end(uow: UnitOfWork, checkout: Row[Any], *, now: datetime) -> CheckoutOutcome:
        return await outcomes.not_taken(uow, checkout, voided, now=now)

    await saga.conclude(runtime, attempt, end)
    raise Problem(authentication.SESSION_ENDED)
