"""SYS-02, authentication while paying: a lost session causes a wrong charge or a lost place."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

from sqlalchemy import Row

from reference_system.booking.accounts import authentication, tokens
from reference_system.booking.accounts.authentication import Caller
from reference_system.booking.checkout import saga, service
from reference_system.booking.checkout.saga import Attempt
from reference_system.booking.payments import client, intents
from reference_system.booking.payments.intents import Intent
from reference_system.booking.platform.db import UnitOfWork
from reference_system.booking.platform.idempotency import Answer
from reference_system.booking.platform.problems import Problem
from reference_system.booking.platform.runtime import Runtime
from reference_system.booking.pricing import money
from reference_system.mutants.mutant import Mutant

tidied_up = Mutant(
    "SYS-02.1",
    "A customer whose session ends during checkout loses the held place and everything entered.",
    also_opens={"SYS-02.c": "the checkout that must stay unchanged is gone by then"},
)
RELEASE = """
UPDATE holds SET released_at = :now
WHERE released_at IS NULL AND customer_id = (SELECT customer_id FROM sessions WHERE id = :session)
"""
CLOSE = """
UPDATE checkouts SET state = 'expired', updated_at = :now
WHERE state = 'open' AND customer_id = (SELECT customer_id FROM sessions WHERE id = :session)
"""


@tidied_up.wrap(authentication.authenticate)
async def authenticate_or_tidy_up(
    authenticate: Callable[[Runtime, str | None, datetime], Awaitable[Caller]],
    runtime: Runtime,
    token: str | None,
    now: datetime,
) -> Caller:
    try:
        return await authenticate(runtime, token, now)
    except Problem:
        claims = tokens.read_access(token, secret=runtime.settings.jwt_secret) if token else None
        if claims is not None:

            async def work(uow: UnitOfWork) -> None:
                await uow.execute(RELEASE, session=claims.session_id, now=now)
                await uow.execute(CLOSE, session=claims.session_id, now=now)

            await runtime.database.run(work)
        raise


charged_per_session = Mutant(
    "SYS-02.2", "A customer who logs in again and continues to pay is charged a second time."
)


@charged_per_session.replace(saga.obtain_intent)
async def intent_of_this_session(runtime: Runtime, attempt: Attempt) -> Intent | None:
    body = {
        "amount": money.to_major(attempt.amount_minor, attempt.currency),
        "currency": attempt.currency,
        "method": attempt.method,
        "token": attempt.token or "",
        "capture": "automatic" if attempt.method == "bank" else "manual",
        "metadata": {"checkout_id": str(attempt.checkout_id)},
    }
    key = f"checkout:{attempt.checkout_id}:{attempt.session_id}"
    try:
        made = await client.of(runtime)._call("POST", "/v1/payment_intents", key=key, body=body)
    except client.ProviderRefused as refused:
        if refused.code == "card_declined" and refused.intent is not None:
            return refused.intent
        raise
    return intents.intent(made)


@charged_per_session.replace(saga.capture)
async def capture_the_intent(runtime: Runtime, attempt: Attempt, intent: Intent) -> Intent:
    return await client.of(runtime).capture(intent.id, key=f"capture:{intent.id}")


unowned = Mutant("SYS-02.3", "Anyone with the id of another customer's checkout can read, resume and pay it.")


@unowned.replace(service.is_owner)
def for_any_caller(checkout: Row[Any], by: Caller) -> bool:
    return True


session_needed = Mutant(
    "SYS-02.4", "A session that ends while the card is charged leaves a charge and no booking."
)


@session_needed.wrap(saga.finish)
async def finish_if_logged_in(
    finish: Callable[[Runtime, Attempt, Intent], Awaitable[Answer]],
    runtime: Runtime,
    attempt: Attempt,
    intent: Intent,
) -> Answer:
    if attempt.session_id is not None:
        caller = await authentication.live_session(runtime, attempt.session_id)
        if caller is None:
            raise Problem(authentication.SESSION_ENDED)
    return await finish(runtime, attempt, intent)
