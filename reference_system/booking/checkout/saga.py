"""Paying for a checkout: a saga of short transactions with the provider's calls in between.

    claim    one transaction: takes the key; the checkout is `paying` under a lease, or refused
    create   the provider authorises the amount (nothing is charged)
    guard    one transaction: checks that lease and hold are still valid; renews the lease
    capture  the provider takes the money
    finish   one transaction: booking, payment, ledger, outcome, answer (see `outcomes`)

No transaction is open while the provider is called. Every call to the provider carries a key that
is derived from the checkout, so that a repeated step takes effect once. A process that dies leaves a
`paying` checkout whose lease expires; then the client's repeat or the recovery job continues from the
provider's state. Nothing is decided while the provider's outcome is unknown.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

import structlog
from sqlalchemy import Row

from reference_system.booking.checkout import outcomes, store
from reference_system.booking.checkout.outcomes import CheckoutOutcome
from reference_system.booking.payments import client, refunds
from reference_system.booking.payments import service as payments
from reference_system.booking.payments.client import ProviderFailed, ProviderRefused
from reference_system.booking.payments.intents import Intent
from reference_system.booking.platform import idempotency
from reference_system.booking.platform.db import UnitOfWork
from reference_system.booking.platform.db_errors import DatabaseFailed, OutcomeUnknown
from reference_system.booking.platform.idempotency import Answer
from reference_system.booking.platform.runtime import Runtime

T = TypeVar("T")
_log = structlog.get_logger(__name__)

# States in order of precedence, if a checkout has several intents (only if some were made by hand).
PRECEDENCE = ("captured", "requires_capture", "processing", "declined", "canceled")


@dataclass(frozen=True, slots=True)
class Attempt:
    """The right to complete a checkout, until `lease_until`.

    `token` is None for the recovery job, which continues a payment and begins none. `resumed`: there was
    an earlier attempt. `session_id`: the session of the request that pays, if there is one.
    """

    checkout_id: UUID
    customer_id: UUID
    amount_minor: int
    currency: str
    key: str | None
    lease_until: datetime
    resumed: bool
    method: str = "card"
    token: str | None = None
    session_id: UUID | None = None


class Superseded(Exception):
    """The lease expired and another process has taken over the checkout, or has ended it."""


async def carry_out(runtime: Runtime, attempt: Attempt) -> Answer:
    """Bring the checkout to its end, or to `processing`; returns the conclusive answer.

    Raises ProviderFailed when the provider's outcome is unknown: the checkout stays `paying`, for a
    repeat or for recovery. Raises Superseded.
    """
    if attempt.amount_minor == 0:
        return await conclude(runtime, attempt, outcomes.complete_free)
    intent = await obtain_intent(runtime, attempt)
    if intent is None:
        return await conclude(runtime, attempt, _not_taken(None), fenced=True)
    if intent.status == "requires_capture":
        attempt = await guard(runtime, attempt, intent)
        intent = await capture(runtime, attempt, intent)
    return await finish(runtime, attempt, intent)


async def obtain_intent(runtime: Runtime, attempt: Attempt) -> Intent | None:
    """Return the checkout's intent at the provider, created if it does not exist; None if it does not exist
    and the attempt has no card token to create it."""
    provider = client.of(runtime)
    if attempt.resumed:
        found = await find_intent(runtime, attempt.checkout_id)
        if found is not None or attempt.token is None:
            return found
    try:
        return await provider.create_intent(
            checkout_id=attempt.checkout_id,
            amount_minor=attempt.amount_minor,
            currency=attempt.currency,
            method=attempt.method,
            token=attempt.token or "",
        )
    except ProviderRefused as refused:
        if refused.code == "idempotency_conflict":
            # An earlier attempt with another card did reach the provider.
            found = await find_intent(runtime, attempt.checkout_id)
            if found is not None:
                return found
        if refused.status == 422:
            return None
        raise


async def find_intent(runtime: Runtime, checkout_id: UUID) -> Intent | None:
    """Return the checkout's intent by PRECEDENCE in its present state at the provider, or None."""
    found = await client.of(runtime).intents_of(checkout_id)
    return min(found, key=lambda intent: PRECEDENCE.index(intent.status), default=None)


async def guard(runtime: Runtime, attempt: Attempt, intent: Intent) -> Attempt:
    """Check, right before the capture, that this attempt still has the checkout's lease and place.

    Renews the lease. Raises Superseded if the lease is lost; if the place is lost, the checkout ends and
    the authorisation is voided.
    """
    now = await runtime.clock.now()
    ours = replace(attempt, lease_until=now + timedelta(seconds=runtime.settings.paying_lease_s))

    async def work(uow: UnitOfWork) -> bool:
        checkout = await store.lock_checkout(uow, attempt.checkout_id)
        assert checkout is not None
        # In a retry, the first run may have committed the renewal.
        if not is_ours(checkout, attempt) and not is_ours(checkout, ours):
            raise Superseded
        if not await store.hold_is_live(uow, attempt.checkout_id):
            return False
        await payments.record_progress(uow, intent, checkout_id=attempt.checkout_id, state="authorized")
        await store.renew_lease(
            uow,
            checkout_id=attempt.checkout_id,
            lease_until=checkout.lease_until,
            renewed=ours.lease_until,
            now=now,
        )
        return True

    try:
        place_is_held = await surely(runtime, work)
    except Superseded:
        await give_back(runtime, attempt, intent)
        raise
    if place_is_held:
        return ours
    voided = await client.of(runtime).cancel(intent.id)
    if voided.is_captured:
        return attempt
    await conclude(runtime, attempt, lambda uow, row, *, now: outcomes.place_lost(uow, row, voided, now=now))
    raise Superseded


async def give_back(runtime: Runtime, attempt: Attempt, intent: Intent) -> None:
    """Void an authorisation whose checkout has ended without a payment."""
    checkout = await store.read_checkout(runtime.database, attempt.checkout_id)
    if checkout is not None and checkout.state in ("declined", "failed", "expired"):
        await client.of(runtime).cancel(intent.id)


def is_ours(checkout: Row[Any], attempt: Attempt) -> bool:
    """Whether the attempt still has the lease on a locked checkout."""
    return bool(checkout.state == "paying" and checkout.lease_until == attempt.lease_until)


async def capture(runtime: Runtime, attempt: Attempt, intent: Intent) -> Intent:
    """Capture the payment; returns the intent, captured or no longer capturable."""
    try:
        return await client.of(runtime).capture(intent.id, key=client.capture_key(attempt.checkout_id))
    except ProviderRefused as refused:
        if refused.code == "not_capturable" and refused.intent is not None:
            return refused.intent
        raise


async def finish(runtime: Runtime, attempt: Attempt, intent: Intent) -> Answer:
    """Record the outcome for the provider's final state of the intent."""
    match intent.status:
        case "captured":
            return await conclude(
                runtime, attempt, lambda uow, row, *, now: outcomes.complete(uow, row, intent, now=now)
            )
        case "processing":
            answer = await conclude(
                runtime, attempt, lambda uow, row, *, now: outcomes.pending(uow, row, intent, now=now)
            )
            if answer.status >= 400:
                # Recovery has ended the checkout while this attempt was making the intent.
                await give_back(runtime, attempt, intent)
            return answer
        case "declined":
            return await conclude(
                runtime, attempt, lambda uow, row, *, now: outcomes.decline(uow, row, intent, now=now)
            )
        case "canceled":
            return await conclude(runtime, attempt, _not_taken(intent))
        case status:
            raise ProviderFailed(f"{intent.id} is {status} after its capture")


End = Callable[..., Awaitable[CheckoutOutcome]]


def _not_taken(intent: Intent | None) -> End:
    async def end(uow: UnitOfWork, checkout: Row[Any], *, now: datetime) -> CheckoutOutcome:
        return await outcomes.not_taken(uow, checkout, intent, now=now)

    return end


async def conclude(runtime: Runtime, attempt: Attempt, end: End, *, fenced: bool = False) -> Answer:
    """Run `end` in one transaction, then send the refund that it owes, if any.

    `fenced`: only while the lease is held; for an end that is concluded from a missing intent, because the
    holder of a later lease may be creating the intent. Raises Superseded.
    """
    now = await runtime.clock.now()

    async def work(uow: UnitOfWork) -> CheckoutOutcome:
        checkout = await store.lock_checkout(uow, attempt.checkout_id)
        assert checkout is not None
        if fenced and checkout.state in outcomes.UNDECIDED and not is_ours(checkout, attempt):
            raise Superseded
        ended = await end(uow, checkout, now=now)
        if attempt.key is not None and attempt.key != checkout.pay_key:
            # Another process has taken over the checkout; the outcome is recorded for this key too.
            await idempotency.finish(
                uow, customer_id=attempt.customer_id, key=attempt.key, answer=ended.answer
            )
        return ended

    ended = await surely(runtime, work)
    if ended.refund_id is not None:
        await send_refund(runtime, ended.refund_id)
    return ended.answer


async def send_refund(runtime: Runtime, refund_id: UUID) -> None:
    """Send an owed refund now; if that fails, the outbox job sends it."""
    try:
        await refunds.send(runtime, refund_id)
    except (ProviderFailed, DatabaseFailed) as error:
        _log.warning("refund-later", refund=str(refund_id), error=str(error))


async def surely(runtime: Runtime, work: Callable[[UnitOfWork], Awaitable[T]]) -> T:
    """Run an idempotent transaction, and run it again if the answer to its commit was lost."""
    try:
        return await runtime.database.run(work)
    except OutcomeUnknown:
        return await runtime.database.run(work)


async def let_go(runtime: Runtime, attempt: Attempt) -> None:
    """End a lease early, so that a repeat need not wait; if that fails, it expires."""
    now = await runtime.clock.now()

    async def work(uow: UnitOfWork) -> None:
        checkout = await store.lock_checkout(uow, attempt.checkout_id)
        if checkout is None or checkout.state != "paying":
            return
        given_up = await store.renew_lease(
            uow, checkout_id=attempt.checkout_id, lease_until=attempt.lease_until, renewed=now, now=now
        )
        if given_up and attempt.key is not None:
            await store.let_go_of_key(uow, customer_id=attempt.customer_id, key=attempt.key, now=now)

    with suppress(DatabaseFailed):
        await runtime.database.run(work)
