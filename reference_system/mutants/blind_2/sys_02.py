"""SYS-02, a login that ends during the payment: the checkout is lost or changed, or its charge is.

Written from the clauses alone.
"""

from __future__ import annotations

from collections import Counter
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
from reference_system.booking.checkout import outcomes, payment, refusals, service, store
from reference_system.booking.checkout.payment import PaymentRequest
from reference_system.booking.checkout.saga import Attempt
from reference_system.booking.checkout.service import Begun
from reference_system.booking.holds import service as holds
from reference_system.booking.payments.intents import Intent
from reference_system.booking.platform.db import UnitOfWork
from reference_system.booking.platform.idempotency import Answer
from reference_system.booking.platform.problems import NOT_FOUND, Kind, Problem
from reference_system.booking.platform.runtime import Runtime
from reference_system.booking.platform.settings import Settings
from reference_system.booking.pricing import store as price_locks
from reference_system.mutants.mutant import Mutant

revoked_by_others = Mutant(
    "SYS-02.31",
    "A session that is ended from another device or by an operator takes the customer's open checkouts "
    "with it, although the customer only has to log in afresh.",
    also_opens={"SYS-02.c": "the checkout that must stay unchanged is ended by then"},
)
RELEASE = """
UPDATE holds SET released_at = :now
WHERE released_at IS NULL AND checkout_id IN (
    SELECT checkout.id FROM checkouts AS checkout JOIN sessions AS session USING (customer_id)
    WHERE session.id = :session_id AND checkout.state = 'open'
)
"""
CLOSE = """
UPDATE checkouts SET state = 'expired', updated_at = :now
WHERE state = 'open' AND customer_id = (SELECT customer_id FROM sessions WHERE id = :session_id)
"""


@revoked_by_others.wrap(sessions.end)
async def end_with_its_checkouts(
    end: Callable[..., Awaitable[None]], runtime: Runtime, *, session_id: UUID, by: Caller, now: datetime
) -> None:
    await end(runtime, session_id=session_id, by=by, now=now)

    async def close(uow: UnitOfWork) -> None:
        await uow.execute(RELEASE, session_id=session_id, now=now)
        await uow.execute(CLOSE, session_id=session_id, now=now)

    if session_id != by.session_id:
        # Not a logout: the device is lost, and whoever has it must not get the place.
        await runtime.database.run(close)


fast_path = Mutant(
    "SYS-02.32",
    "A session that is found in the cache is trusted at once, before the access token's expiry is compared: "
    "an expired token works as long as the session was used some seconds ago.",
)


@fast_path.wrap(authentication.authenticate)
async def authenticate_from_cache(
    authenticate: Callable[..., Awaitable[Caller]], runtime: Runtime, token: str | None, now: datetime
) -> Caller:
    claims = tokens.read_access(token, secret=runtime.settings.jwt_secret) if token else None
    if claims is not None:
        cached = await runtime.cache.get(authentication._key(claims.session_id))
        caller = authentication._uncached(cached, claims.session_id)
        if caller is not None:
            return caller
    return await authenticate(runtime, token, now)


quoted_to_a_session = Mutant(
    "SYS-02.33",
    "A quote is valid in the session that asked for it: who has to log in afresh before beginning the "
    "checkout is refused and offered the new price.",
)
IS_YOUNGER = "SELECT 1 AS younger FROM sessions WHERE id = :session_id AND created_at > :quoted_at"


@quoted_to_a_session.wrap(service.begin)
async def begin_in_the_session(
    begin: Callable[..., Awaitable[Begun | Problem]],
    uow: UnitOfWork,
    *,
    price_lock_id: UUID,
    slot_id: UUID,
    by: Caller,
    settings: Settings,
    now: datetime,
) -> Begun | Problem:
    lock = await price_locks.lock_price_lock(uow, price_lock_id)
    if lock is not None and service.may_use(lock, by) and service.is_for(lock, slot_id):
        quoted_at = lock.expires_at - timedelta(seconds=settings.price_lock_ttl_s)
        if await uow.first(IS_YOUNGER, session_id=by.session_id, quoted_at=quoted_at) is not None:
            return await service.price_lock_expired(
                uow, customer_id=by.customer_id, slot_id=slot_id, settings=settings, now=now
            )
    return await begin(uow, price_lock_id=price_lock_id, slot_id=slot_id, by=by, settings=settings, now=now)


counted_as_attacks = Mutant(
    "SYS-02.34",
    "Requests with a token that has ended count as failed logins: a customer whose session ended before "
    "several requests of one checkout is locked out and cannot resume it.",
)
TOO_MANY = Kind("too-many-failures", 429, "Too many failures: try again later")
MOST_FAILURES = 3
_failures: Counter[UUID] = Counter()


@counted_as_attacks.wrap(authentication.authenticate)
async def authenticate_and_count(
    authenticate: Callable[..., Awaitable[Caller]], runtime: Runtime, token: str | None, now: datetime
) -> Caller:
    try:
        return await authenticate(runtime, token, now)
    except Problem:
        claims = tokens.read_access(token, secret=runtime.settings.jwt_secret) if token else None
        if claims is not None:
            _failures[claims.customer_id] += 1
        raise


@counted_as_attacks.wrap(sessions.log_in)
async def log_in_unless_locked(
    log_in: Callable[..., Awaitable[Grant]], runtime: Runtime, *, email: str, password: str, now: datetime
) -> Grant:
    found = await accounts.find_by_email(runtime.database, email)
    if found is not None and _failures[found.id] >= MOST_FAILURES:
        raise Problem(TOO_MANY)
    return await log_in(runtime, email=email, password=password, now=now)


on_behalf = Mutant(
    "SYS-02.35",
    "An operator counts as the owner of every checkout, so an operator can change and pay a customer's "
    "interrupted checkout.",
)


@on_behalf.replace(service.is_owner)
def is_owner_or_helps(checkout: Row[Any], by: Caller) -> bool:
    # The help desk sees what the customer sees.
    return bool(checkout.customer_id == by.customer_id or by.is_operator)


owner_compared_last = Mutant(
    "SYS-02.36",
    "The payer is compared with the owner after the checkout was claimed: a stranger's payment is refused, "
    "but leaves the checkout in payment, closed to its owner and finally expired.",
)


@owner_compared_last.wrap(payment.claim)
async def claim_then_compare(
    claim: Callable[..., Awaitable[Attempt | tuple[Answer, bool]]],
    uow: UnitOfWork,
    request: PaymentRequest,
    *,
    settings: Settings,
    now: datetime,
) -> Attempt | tuple[Answer, bool]:
    checkout = await store.lock_checkout(uow, request.checkout_id)
    if checkout is None:
        raise Problem(NOT_FOUND)
    owner = replace(request.caller, customer_id=checkout.customer_id)
    claimed = await claim(uow, replace(request, caller=owner), settings=settings, now=now)
    if not service.is_owner(checkout, request.caller):
        return outcomes.refused(NOT_FOUND), False
    return claimed


nobody_waits = Mutant(
    "SYS-02.37",
    "A captured payment is not booked but paid back if its customer is logged in nowhere at that moment: who "
    "logs in afresh finds no booking.",
)
LOGGED_IN = "SELECT 1 AS live FROM sessions WHERE customer_id = :customer_id AND revoked_at IS NULL LIMIT 1"


@nobody_waits.wrap(outcomes.take_place)
async def take_place_for_a_live_customer(
    take_place: Callable[..., Awaitable[UUID | None]],
    uow: UnitOfWork,
    checkout: Row[Any],
    booking: Row[Any] | None,
    intent: Intent | None,
    *,
    now: datetime,
) -> UUID | None:
    if booking is None and await uow.first(LOGGED_IN, customer_id=checkout.customer_id) is None:
        await holds.release(uow, checkout_id=checkout.id, now=now)
        return None
    return await take_place(uow, checkout, booking, intent, now=now)


unauthenticated_instead = Mutant(
    "SYS-02.38",
    "If the provider's answer is late and the session has ended meanwhile, the request is answered 401, "
    "although the money may be taken: the customer believes that nothing was tried.",
)


@unauthenticated_instead.wrap(payment.pay)
async def pay_or_log_in(
    pay: Callable[..., Awaitable[Response]], runtime: Runtime, request: PaymentRequest, now: datetime
) -> Response:
    try:
        return await pay(runtime, request, now)
    except Problem as problem:
        if problem.kind is not refusals.PROVIDER_UNAVAILABLE:
            raise
        # Only who is still logged in can repeat the request.
        if await authentication.live_session(runtime, request.caller.session_id) is None:
            raise Problem(authentication.SESSION_ENDED) from problem
        raise
