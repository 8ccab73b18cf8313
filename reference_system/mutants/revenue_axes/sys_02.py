"""SYS-02, authentication while paying: mistakes in one way of ending a session, one method, one moment."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from reference_system.booking.accounts import authentication, sessions, store
from reference_system.booking.accounts.authentication import Caller
from reference_system.booking.accounts.sessions import Grant
from reference_system.booking.checkout import payment, saga, service
from reference_system.booking.checkout import store as checkouts
from reference_system.booking.checkout.payment import PaymentRequest
from reference_system.booking.checkout.saga import Attempt
from reference_system.booking.holds import store as holds
from reference_system.booking.payments import client, intents
from reference_system.booking.payments.intents import Intent
from reference_system.booking.platform.db import UnitOfWork
from reference_system.booking.platform.idempotency import Answer
from reference_system.booking.platform.problems import Problem
from reference_system.booking.platform.runtime import Runtime
from reference_system.booking.platform.settings import Settings
from reference_system.booking.pricing import money
from reference_system.booking.pricing import service as pricing
from reference_system.migrations import roles
from reference_system.mutants.mutant import Mutant

priced_at_login = Mutant(
    "SYS-02.5",
    "A customer who logs in again during checkout pays the price of now, not the quoted one.",
    schema=(f"GRANT UPDATE (amount_minor) ON checkouts TO {roles.app()}",),
)
OPEN_CHECKOUTS = """
SELECT checkout.id, checkout.slot_id FROM checkouts AS checkout
JOIN customers AS customer ON customer.id = checkout.customer_id
WHERE checkout.state = 'open' AND customer.email = :email
"""


@priced_at_login.wrap(sessions.log_in)
async def log_in_and_refresh_prices(
    log_in: Callable[..., Awaitable[Grant]], runtime: Runtime, *, email: str, password: str, now: datetime
) -> Grant:
    grant = await log_in(runtime, email=email, password=password, now=now)

    async def refresh(uow: UnitOfWork) -> None:
        for checkout in await uow.all(OPEN_CHECKOUTS, email=email):
            current = await pricing.current_price(uow, checkout.slot_id)
            await uow.execute(
                "UPDATE checkouts SET amount_minor = :minor WHERE id = :id",
                minor=current.amount_minor,
                id=checkout.id,
            )

    await runtime.database.run(refresh)
    return grant


cached_after_log_out = Mutant(
    "SYS-02.6",
    "Logging out everywhere does not reach the session cache: a stolen token goes on paying.",
    also_opens={"SYS-02.b": "the request that must be refused takes effect, so that it cannot be resumed"},
)


@cached_after_log_out.replace(sessions.end_all)
async def end_all_in_the_database(runtime: Runtime, *, customer_id: UUID, now: datetime) -> int:
    async def revoke(uow: UnitOfWork) -> int:
        return len(await store.revoke_all_sessions(uow, customer_id=customer_id, now=now))

    return await runtime.database.run(revoke)


transfer_per_session = Mutant(
    "SYS-02.7", "A bank transfer that is resumed in a new session is requested a second time."
)


@transfer_per_session.wrap(saga.obtain_intent)
async def transfer_of_this_session(
    obtain_intent: Callable[[Runtime, Attempt], Awaitable[Intent | None]], runtime: Runtime, attempt: Attempt
) -> Intent | None:
    if attempt.method != "bank" or attempt.token is None:
        return await obtain_intent(runtime, attempt)
    body = {
        "amount": money.to_major(attempt.amount_minor, attempt.currency),
        "currency": attempt.currency,
        "method": "bank",
        "token": attempt.token,
        "capture": "automatic",
        "metadata": {"checkout_id": str(attempt.checkout_id)},
    }
    key = f"transfer:{attempt.checkout_id}:{attempt.session_id}"
    return intents.intent(await client.of(runtime)._call("POST", "/v1/payment_intents", key=key, body=body))


janitor = Mutant(
    "SYS-02.8",
    "The job that expires holds also takes the place of a customer without a live session.",
)
janitor.edit(
    holds.EXPIRED_CHECKOUTS,
    "hold.expires_at <= :now",
    """(hold.expires_at <= :now OR NOT EXISTS (
        SELECT 1 FROM sessions WHERE customer_id = checkout.customer_id AND revoked_at IS NULL
    ))""",
)


remembered = Mutant(
    "SYS-02.9",
    "A process that has seen a session goes on accepting it after another process has ended it.",
    also_opens={"SYS-02.b": "the request that must be refused takes effect, so that it cannot be resumed"},
)
SEEN: dict[UUID, Caller] = {}


@remembered.wrap(authentication.live_session)
async def live_or_seen(
    live_session: Callable[[Runtime, UUID], Awaitable[Caller | None]], runtime: Runtime, session_id: UUID
) -> Caller | None:
    caller = SEEN.get(session_id) or await live_session(runtime, session_id)
    if caller is not None:
        SEEN[session_id] = caller
    return caller


@remembered.wrap(authentication.forget)
async def forget_here(
    forget: Callable[[Runtime, UUID], Awaitable[None]], runtime: Runtime, session_id: UUID
) -> None:
    SEEN.pop(session_id, None)
    await forget(runtime, session_id)


replayed_to_anybody = Mutant(
    "SYS-02.10", "Whoever knows the idempotency key of a payment gets its answer, with the booking."
)
ANSWER = "SELECT status, body FROM idempotency_keys WHERE key = :key AND state = 'done'"


@replayed_to_anybody.wrap(payment.claim)
async def replay_first(
    claim: Callable[..., Awaitable[Attempt | tuple[Answer, bool]]],
    uow: UnitOfWork,
    request: PaymentRequest,
    *,
    settings: Settings,
    now: datetime,
) -> Attempt | tuple[Answer, bool]:
    row = await uow.first(ANSWER, key=request.key)
    if row is not None:
        return Answer(row.status, row.body), True
    return await claim(uow, request, settings=settings, now=now)


filled_in_by_anybody = Mutant("SYS-02.11", "Anyone with a checkout's id can overwrite its owner's details.")


@filled_in_by_anybody.replace(service.fill_in)
async def fill_in_for_anybody(
    uow: UnitOfWork,
    *,
    checkout_id: UUID,
    details: Mapping[str, Any],
    by: Caller,
    settings: Settings,
    now: datetime,
) -> Problem | None:
    if await checkouts.lock_checkout(uow, checkout_id) is not None:
        await checkouts.set_details(uow, checkout_id=checkout_id, details=details, now=now)
    return None


resumed_at_price_of_now = Mutant(
    "SYS-02.12", "A payment cut short is continued with the amount that the slot costs by then."
)


@resumed_at_price_of_now.wrap(saga.carry_out)
async def at_the_price_of_now(
    carry_out: Callable[[Runtime, Attempt], Awaitable[Answer]], runtime: Runtime, attempt: Attempt
) -> Answer:
    if attempt.resumed:
        row = await checkouts.read_checkout(runtime.database, attempt.checkout_id)
        assert row is not None
        current = await pricing.current_price(runtime.database, row.slot_id)
        attempt = replace(attempt, amount_minor=current.amount_minor)
    return await carry_out(runtime, attempt)
