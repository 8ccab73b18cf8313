"""SYS-02, authentication while paying: mistakes by which a lost session costs money or the place."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Row

from reference_system.booking.accounts import authentication, tokens
from reference_system.booking.accounts.authentication import Caller
from reference_system.booking.checkout import saga
from reference_system.booking.checkout.saga import Attempt
from reference_system.booking.db import UnitOfWork
from reference_system.booking.idempotency import Answer
from reference_system.booking.payments import client, intents
from reference_system.booking.payments.intents import Intent
from reference_system.booking.pricing import money
from reference_system.booking.problems import Problem
from reference_system.booking.runtime import Runtime
from reference_system.mutants.mutant import Mutant, Replace

_AUTHENTICATION = "reference_system.booking.accounts.authentication"
_SAGA = "reference_system.booking.checkout.saga"

_authenticate = authentication.authenticate
_finish = saga.finish

_RELEASE = """
UPDATE holds SET released_at = :now
WHERE released_at IS NULL AND customer_id = (SELECT customer_id FROM sessions WHERE id = :session)
"""
_CLOSE = """
UPDATE checkouts SET state = 'expired', updated_at = :now
WHERE state = 'open' AND customer_id = (SELECT customer_id FROM sessions WHERE id = :session)
"""


async def _authenticate_or_tidy_up(runtime: Runtime, token: str | None, now: datetime) -> Caller:
    try:
        return await _authenticate(runtime, token, now)
    except Problem:
        claims = tokens.read_access(token, secret=runtime.settings.jwt_secret) if token else None
        if claims is not None:

            async def work(uow: UnitOfWork) -> None:
                await uow.execute(_RELEASE, session=claims.session_id, now=now)
                await uow.execute(_CLOSE, session=claims.session_id, now=now)

            await runtime.database.run(work)
        raise


async def _intent_of_this_session(runtime: Runtime, attempt: Attempt) -> Intent | None:
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


async def _capture_the_intent(runtime: Runtime, attempt: Attempt, intent: Intent) -> Intent:
    return await client.of(runtime).capture(intent.id, key=f"capture:{intent.id}")


async def _finish_for_who_is_logged_in(runtime: Runtime, attempt: Attempt, intent: Intent) -> Answer:
    if attempt.session_id is not None:
        caller = await authentication.live_session(runtime, attempt.session_id)
        if caller is None:
            raise Problem(authentication.SESSION_ENDED)
    return await _finish(runtime, attempt, intent)


def _whoever_asks(checkout: Row[Any], by: Caller) -> bool:
    return True


MUTANTS = (
    Mutant(
        id="SYS-02.1",
        harm="Whose session ends in mid-checkout loses the place held for him and all he entered.",
        substitutions=(Replace(f"{_AUTHENTICATION}:authenticate", _authenticate_or_tidy_up),),
        also_opens={"SYS-02.c": "the checkout that must stay unchanged is gone by then"},
    ),
    Mutant(
        id="SYS-02.2",
        harm="Who logs in again and goes on paying is charged a second time.",
        substitutions=(
            Replace(f"{_SAGA}:obtain_intent", _intent_of_this_session),
            Replace(f"{_SAGA}:capture", _capture_the_intent),
        ),
    ),
    Mutant(
        id="SYS-02.3",
        harm="Anybody who knows its id can read, resume and pay another's checkout.",
        substitutions=(Replace("reference_system.booking.checkout.service:is_owner", _whoever_asks),),
    ),
    Mutant(
        id="SYS-02.4",
        harm="A session that ends while the card is charged leaves a charge and no booking.",
        substitutions=(Replace(f"{_SAGA}:finish", _finish_for_who_is_logged_in),),
    ),
)
