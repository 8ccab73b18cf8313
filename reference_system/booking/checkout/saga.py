"""Paying for a checkout: a saga of short transactions with the provider's calls in between.

    claim    one transaction: the key is ours, the checkout is `paying` under a lease, or the refusal
    create   the provider authorises the amount (nothing is charged)
    guard    one transaction: still ours, the place is still held; the lease is renewed
    capture  the provider takes the money
    finish   one transaction: booking, payment, ledger, outcome, answer (see `ending`)

No transaction is open while the provider is called. Every call to the provider carries a key that
follows from the checkout, so that doing a step again is doing it once. A process that dies leaves a
`paying` checkout whose lease runs out; then the client's repeat or the recovery job goes on from what
the provider says. Nothing is decided while the provider's outcome is unknown.
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

from reference_system.booking import idempotency
from reference_system.booking.checkout import ending, store
from reference_system.booking.checkout.ending import Ending
from reference_system.booking.db import UnitOfWork
from reference_system.booking.db_errors import DatabaseFailed, OutcomeUnknown
from reference_system.booking.idempotency import Answer
from reference_system.booking.payments import client, refunds
from reference_system.booking.payments import service as payments
from reference_system.booking.payments.client import ProviderFailed, ProviderRefused
from reference_system.booking.payments.intents import Intent
from reference_system.booking.runtime import Runtime

T = TypeVar("T")
_log = structlog.get_logger(__name__)

# Which of a checkout's intents counts: there is one, unless somebody made more by hand.
PRECEDENCE = ("captured", "requires_capture", "processing", "declined", "canceled")


@dataclass(frozen=True, slots=True)
class Attempt:
    """The right to bring a checkout to its end, until `lease_until`.

    `token` is None for the recovery job, which can go on but not begin. `resumed`: somebody was at
    it before. `session_id` is of the request that pays, if one does.
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
    """The lease ran out and somebody else has the checkout in hand, or has ended it."""


async def carry_out(runtime: Runtime, attempt: Attempt) -> Answer:
    """Bring the checkout to its end, or to `processing`; returns the conclusive answer.

    Raises ProviderFailed when the provider's outcome is unknown: the checkout stays `paying`, for a
    repeat or for recovery. Raises Superseded.
    """
    if attempt.amount_minor == 0:
        return await conclude(runtime, attempt, ending.complete_free)
    intent = await obtain_intent(runtime, attempt)
    if intent is None:
        return await conclude(runtime, attempt, _not_taken(None), fenced=True)
    if intent.status == "requires_capture":
        attempt = await guard(runtime, attempt, intent)
        intent = await capture(runtime, attempt, intent)
    return await finish(runtime, attempt, intent)


async def obtain_intent(runtime: Runtime, attempt: Attempt) -> Intent | None:
    """The checkout's intent at the provider; made now if nobody did. None: there is none, and
    nobody here who could make one."""
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
            # An earlier attempt, with another card, has reached the provider after all.
            found = await find_intent(runtime, attempt.checkout_id)
            if found is not None:
                return found
        if refused.status == 422:
            return None
        raise


async def find_intent(runtime: Runtime, checkout_id: UUID) -> Intent | None:
    """The intent of a checkout that counts, as the provider has it now."""
    found = await client.of(runtime).intents_of(checkout_id)
    return min(found, key=lambda intent: PRECEDENCE.index(intent.status), default=None)


async def guard(runtime: Runtime, attempt: Attempt, intent: Intent) -> Attempt:
    """Make sure, right before the money is taken, that this attempt has the checkout and its place.

    Renews the lease. Raises Superseded when it has not; a place that is lost ends the checkout, and
    the authorisation is given back.
    """
    now = await runtime.clock.now()
    ours = replace(attempt, lease_until=now + timedelta(seconds=runtime.settings.paying_lease_s))

    async def work(uow: UnitOfWork) -> bool:
        checkout = await store.lock_checkout(uow, attempt.checkout_id)
        assert checkout is not None
        # The second time round, the renewal may have been committed by the first.
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
    await conclude(runtime, attempt, lambda uow, row, *, now: ending.place_lost(uow, row, voided, now=now))
    raise Superseded


async def give_back(runtime: Runtime, attempt: Attempt, intent: Intent) -> None:
    """Void an authorisation that came too late: its checkout has ended without a payment."""
    checkout = await store.read_checkout(runtime.database, attempt.checkout_id)
    if checkout is not None and checkout.state in ("declined", "failed", "expired"):
        await client.of(runtime).cancel(intent.id)


def is_ours(checkout: Row[Any], attempt: Attempt) -> bool:
    """Whether the lease on a (locked) checkout is still the attempt's."""
    return bool(checkout.state == "paying" and checkout.lease_until == attempt.lease_until)


async def capture(runtime: Runtime, attempt: Attempt, intent: Intent) -> Intent:
    """Take the money; returns the intent as it is then, captured or not to be captured any more."""
    try:
        return await client.of(runtime).capture(intent.id, key=client.capture_key(attempt.checkout_id))
    except ProviderRefused as refused:
        if refused.code == "not_capturable" and refused.intent is not None:
            return refused.intent
        raise


async def finish(runtime: Runtime, attempt: Attempt, intent: Intent) -> Answer:
    """Write down what the provider's last word means."""
    match intent.status:
        case "captured":
            return await conclude(
                runtime, attempt, lambda uow, row, *, now: ending.complete(uow, row, intent, now=now)
            )
        case "processing":
            return await conclude(
                runtime, attempt, lambda uow, row, *, now: ending.pending(uow, row, intent, now=now)
            )
        case "declined":
            return await conclude(
                runtime, attempt, lambda uow, row, *, now: ending.decline(uow, row, intent, now=now)
            )
        case "canceled":
            return await conclude(runtime, attempt, _not_taken(intent))
        case status:
            raise ProviderFailed(f"{intent.id} is {status} after its capture")


End = Callable[..., Awaitable[Ending]]


def _not_taken(intent: Intent | None) -> End:
    async def end(uow: UnitOfWork, checkout: Row[Any], *, now: datetime) -> Ending:
        return await ending.not_taken(uow, checkout, intent, now=now)

    return end


async def conclude(runtime: Runtime, attempt: Attempt, end: End, *, fenced: bool = False) -> Answer:
    """Let `end` decide in one transaction, then send the refund it owes, if it does.

    `fenced`: only while the lease is ours, for what is concluded from the lack of an intent, which
    whoever has the lease now may just be making. Raises Superseded.
    """
    now = await runtime.clock.now()

    async def work(uow: UnitOfWork) -> Ending:
        checkout = await store.lock_checkout(uow, attempt.checkout_id)
        assert checkout is not None
        if fenced and checkout.state in ending.UNDECIDED and not is_ours(checkout, attempt):
            raise Superseded
        ended = await end(uow, checkout, now=now)
        if attempt.key is not None and attempt.key != checkout.pay_key:
            # Somebody else has the checkout by now; whose key this is learns the outcome too.
            await idempotency.finish(
                uow, customer_id=attempt.customer_id, key=attempt.key, answer=ended.answer
            )
        return ended

    ended = await surely(runtime, work)
    if ended.refund_id is not None:
        await send_refund(runtime, ended.refund_id)
    return ended.answer


async def send_refund(runtime: Runtime, refund_id: UUID) -> None:
    """Send an owed refund at once; if that fails the outbox job will."""
    try:
        await refunds.send(runtime, refund_id)
    except (ProviderFailed, DatabaseFailed) as error:
        _log.warning("refund-later", refund=str(refund_id), error=str(error))


async def surely(runtime: Runtime, work: Callable[[UnitOfWork], Awaitable[T]]) -> T:
    """Run a transaction that may be run twice; do so when the answer to its commit was lost."""
    try:
        return await runtime.database.run(work)
    except OutcomeUnknown:
        return await runtime.database.run(work)


async def let_go(runtime: Runtime, attempt: Attempt) -> None:
    """Give up a lease early, so that a repeat need not wait for it; if that fails it runs out."""
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
