"""SYS-01: mistakes that show by another method of payment, when a fault outlasts retries, or much later."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row

from reference_system.booking.checkout import outcomes, recovery, refusals, saga
from reference_system.booking.checkout import payment as paying
from reference_system.booking.checkout.outcomes import CheckoutOutcome
from reference_system.booking.checkout.payment import PaymentRequest
from reference_system.booking.checkout.saga import Attempt
from reference_system.booking.payments.client import ProviderUnreachable
from reference_system.booking.payments.intents import Intent
from reference_system.booking.platform import idempotency
from reference_system.booking.platform.db import UnitOfWork
from reference_system.booking.platform.idempotency import Answer, Claim
from reference_system.booking.platform.runtime import Runtime
from reference_system.booking.platform.settings import Settings
from reference_system.booking.pricing import service as pricing
from reference_system.mutants.mutant import Mutant

transfer_written_off = Mutant(
    "SYS-01.9",
    "A bank transfer whose request was interrupted is refused, and books all the same when it arrives.",
)
silence_is_no = Mutant(
    "SYS-01.10",
    "A payment is refused because the provider does not answer the capture, and the money is taken.",
)
beginning_is_no = Mutant(
    "SYS-01.11",
    "A payment is refused because the provider does not answer its beginning, and a transfer is taken.",
)
MAY_DELETE = "GRANT DELETE ON idempotency_keys TO booking_app"
keys_for_a_day = Mutant(
    "SYS-01.12", "A payment that is repeated days later is refused as a new one.", schema=(MAY_DELETE,)
)
keys_for_a_week = Mutant(
    "SYS-01.13", "A payment that is repeated a month later is refused as a new one.", schema=(MAY_DELETE,)
)
price_of_now = Mutant(
    "SYS-01.14",
    "A customer whose payment was interrupted pays the new price, and gets no booking for it.",
)
quoted_afresh = Mutant(
    "SYS-01.15", "A customer who repeats a refused payment is named another price each time."
)
timeout_is_no = Mutant(
    "SYS-01.16",
    "A payment is refused because the provider is too slow, and the money is taken.",
)


# A bank transfer is reported by webhook, so recovery does not ask the provider.


@transfer_written_off.wrap(recovery.recover)
async def cards_only(
    recover: Callable[[Runtime, Attempt], Awaitable[str]], runtime: Runtime, attempt: Attempt
) -> str:
    if attempt.method != "bank":
        return await recover(runtime, attempt)

    async def end(uow: UnitOfWork, checkout: Row[Any], *, now: datetime) -> CheckoutOutcome:
        return await outcomes.not_taken(uow, checkout, None, now=now)

    return str((await saga.conclude(runtime, attempt, end, fenced=True)).status)


# A provider that does not answer after all retries has not done anything.


@silence_is_no.wrap(saga.capture)
async def give_up(
    capture: Callable[[Runtime, Attempt, Intent], Awaitable[Intent]],
    runtime: Runtime,
    attempt: Attempt,
    intent: Intent,
) -> Intent:
    try:
        return await capture(runtime, attempt, intent)
    except ProviderUnreachable:
        return replace(intent, status="canceled")


@beginning_is_no.wrap(saga.obtain_intent)
async def none_begun(
    obtain_intent: Callable[[Runtime, Attempt], Awaitable[Intent | None]], runtime: Runtime, attempt: Attempt
) -> Intent | None:
    try:
        return await obtain_intent(runtime, attempt)
    except ProviderUnreachable:
        return None


@timeout_is_no.wrap(saga.capture)
async def give_up_on_a_slow_one(
    capture: Callable[[Runtime, Attempt, Intent], Awaitable[Intent]],
    runtime: Runtime,
    attempt: Attempt,
    intent: Intent,
) -> Intent:
    try:
        return await capture(runtime, attempt, intent)
    except ProviderUnreachable as error:
        if "Timeout" in str(error):
            return replace(intent, status="canceled")
        raise


# Old keys are deleted, so that the table does not grow without bound.

FORGET_OLD = "DELETE FROM idempotency_keys WHERE customer_id = :customer_id AND created_at < :before"


@keys_for_a_day.wrap(idempotency.claim)
async def claim_of_a_day(
    claim: Callable[..., Awaitable[Claim]],
    uow: UnitOfWork,
    *,
    customer_id: UUID,
    key: str,
    fingerprint: str,
    now: datetime,
    lease_until: datetime | None = None,
) -> Claim:
    await uow.execute(FORGET_OLD, customer_id=customer_id, before=now - timedelta(days=1))
    return await claim(
        uow, customer_id=customer_id, key=key, fingerprint=fingerprint, now=now, lease_until=lease_until
    )


@keys_for_a_week.wrap(idempotency.claim)
async def claim_of_a_week(
    claim: Callable[..., Awaitable[Claim]],
    uow: UnitOfWork,
    *,
    customer_id: UUID,
    key: str,
    fingerprint: str,
    now: datetime,
    lease_until: datetime | None = None,
) -> Claim:
    await uow.execute(FORGET_OLD, customer_id=customer_id, before=now - timedelta(days=7))
    return await claim(
        uow, customer_id=customer_id, key=key, fingerprint=fingerprint, now=now, lease_until=lease_until
    )


# The amount is looked up when a payment is taken up again.


@price_of_now.wrap(paying.claim)
async def claim_at_the_price_of_now(
    claim: Callable[..., Awaitable[Attempt | tuple[Answer, bool]]],
    uow: UnitOfWork,
    request: PaymentRequest,
    *,
    settings: Settings,
    now: datetime,
) -> Attempt | tuple[Answer, bool]:
    claimed = await claim(uow, request, settings=settings, now=now)
    if not isinstance(claimed, Attempt) or not claimed.resumed:
        return claimed
    checkout = await uow.one("SELECT slot_id FROM checkouts WHERE id = :id", id=claimed.checkout_id)
    quote = await pricing.quote(
        uow,
        customer_id=claimed.customer_id,
        slot_id=checkout.slot_id,
        now=now,
        ttl_s=settings.price_lock_ttl_s,
    )
    return replace(claimed, amount_minor=quote.amount_minor)


# An expired quote changes nothing, so the refusal need not be recorded.


@quoted_afresh.wrap(idempotency.finish)
async def finish_unless_expired(
    finish: Callable[..., Awaitable[None]], uow: UnitOfWork, *, customer_id: UUID, key: str, answer: Answer
) -> None:
    if refusals.PRICE_LOCK_EXPIRED.slug not in answer.body:
        await finish(uow, customer_id=customer_id, key=key, answer=answer)
