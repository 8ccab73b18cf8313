"""The payment request: checks the caller, the key and the state of the checkout, then runs the saga."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil
from typing import Any, Literal
from uuid import UUID

import structlog
from sqlalchemy import Row
from starlette.responses import Response

from reference_system.booking.accounts.authentication import Caller
from reference_system.booking.checkout import outcomes, refusals, saga, service, store
from reference_system.booking.checkout.outcomes import NeedsPerson
from reference_system.booking.checkout.saga import Attempt, Superseded
from reference_system.booking.holds import service as holds
from reference_system.booking.payments.client import ProviderFailed, ProviderUnreachable
from reference_system.booking.payments.intents import Malformed
from reference_system.booking.platform import idempotency
from reference_system.booking.platform.db import UnitOfWork
from reference_system.booking.platform.idempotency import Answer
from reference_system.booking.platform.problems import NOT_FOUND, Problem
from reference_system.booking.platform.runtime import Runtime
from reference_system.booking.platform.settings import Settings
from reference_system.booking.pricing import service as pricing
from reference_system.booking.venues import places

_log = structlog.get_logger(__name__)
_RETRY_AFTER = {"Retry-After": "1"}


@dataclass(frozen=True, slots=True)
class PaymentRequest:
    """An authenticated payment request; it is completed even if the session ends meanwhile."""

    checkout_id: UUID
    caller: Caller
    method: Literal["card", "bank"]
    token: str
    key: str
    fingerprint: str


async def pay(runtime: Runtime, request: PaymentRequest, now: datetime) -> Response:
    """Pay for a checkout; returns the conclusive answer, replayed if it was given before.

    Raises Problem: 404; IN_PROGRESS (409); KEY_REUSED (422); PROVIDER_UNAVAILABLE (503) and
    PROVIDER_FAILED (502) if the outcome is unknown.
    """

    async def work(uow: UnitOfWork) -> Attempt | tuple[Answer, bool]:
        return await claim(uow, request, settings=runtime.settings, now=now)

    claimed = await runtime.database.run(work)
    if not isinstance(claimed, Attempt):
        answer, replayed = claimed
        return answer.response(replayed=replayed)
    try:
        return (await saga.carry_out(runtime, claimed)).response()
    except Superseded:
        return (await _outcome(runtime, claimed)).response()
    except ProviderUnreachable as error:
        _log.warning("payment-undecided", checkout=str(claimed.checkout_id), error=str(error))
        await saga.let_go(runtime, claimed)
        raise Problem(refusals.PROVIDER_UNAVAILABLE, headers=_RETRY_AFTER) from error
    except (ProviderFailed, Malformed, NeedsPerson) as error:
        _log.error("payment-stuck", checkout=str(claimed.checkout_id), error=str(error))
        raise Problem(refusals.PROVIDER_FAILED, headers=_RETRY_AFTER) from error


async def claim(
    uow: UnitOfWork, request: PaymentRequest, *, settings: Settings, now: datetime
) -> Attempt | tuple[Answer, bool]:
    """Claim the key and the checkout, or return the answer and whether it is a replay.

    Raises Problem: 404, IN_PROGRESS, KEY_REUSED. Every other refusal is conclusive: it is recorded
    under the key, with what it does to the checkout.
    """
    checkout = await store.lock_checkout(uow, request.checkout_id)
    if checkout is None or not service.is_owner(checkout, request.caller):
        raise Problem(NOT_FOUND)
    lease_until = now + timedelta(seconds=settings.paying_lease_s)
    claimed = await idempotency.claim(
        uow,
        customer_id=checkout.customer_id,
        key=request.key,
        fingerprint=request.fingerprint,
        now=now,
        lease_until=lease_until,
    )
    if claimed.answer is not None:
        return claimed.answer, True
    answer = await verdict(uow, checkout, resumed=claimed.state == "resumed", settings=settings, now=now)
    if answer is not None:
        await idempotency.finish(uow, customer_id=checkout.customer_id, key=request.key, answer=answer)
        return answer, False
    await store.begin_paying(
        uow,
        checkout_id=checkout.id,
        pay_key=request.key,
        method=request.method,
        lease_until=lease_until,
        now=now,
    )
    return Attempt(
        checkout_id=checkout.id,
        customer_id=checkout.customer_id,
        amount_minor=checkout.amount_minor,
        currency=checkout.currency,
        key=request.key,
        lease_until=lease_until,
        resumed=checkout.state == "paying",
        method=request.method,
        token=request.token,
        session_id=request.caller.session_id,
    )


async def verdict(
    uow: UnitOfWork, checkout: Row[Any], *, resumed: bool, settings: Settings, now: datetime
) -> Answer | None:
    """Return the answer that the state of a locked checkout determines; None if it has to be paid.

    Raises Problem IN_PROGRESS (409).
    """
    if checkout.state == "open":
        return await refusal(uow, checkout, settings=settings, now=now)
    if checkout.state == "paying":
        refuse_while_leased(checkout, now)
        return None
    return await closed(uow, checkout, resumed=resumed, settings=settings, now=now)


async def refusal(uow: UnitOfWork, checkout: Row[Any], *, settings: Settings, now: datetime) -> Answer | None:
    """Return why an open checkout cannot be paid, after releasing its hold; None if it can.

    Price and place are checked here, before anything is charged. While the checkout is `paying`, its hold
    does not expire and its price is fixed.
    """
    if pricing.lock_has_expired(await store.price_lock_expiry(uow, checkout.price_lock_id), now):
        problem = await service.price_lock_expired(
            uow,
            customer_id=checkout.customer_id,
            slot_id=checkout.slot_id,
            settings=settings,
            now=now,
        )
        answer = Answer(problem.status, problem.body())
    elif not await store.hold_is_live(uow, checkout.id):
        answer = outcomes.refused(places.SOLD_OUT, "The place is no longer held.")
    else:
        return None
    await holds.release(uow, checkout_id=checkout.id, now=now)
    return await outcomes.settle(uow, checkout, "expired", answer, now=now)


def refuse_while_leased(checkout: Row[Any], now: datetime) -> None:
    """Raise Problem IN_PROGRESS (409) while another request holds the checkout's lease."""
    if checkout.lease_until is not None and checkout.lease_until > now:
        wait_s = ceil((checkout.lease_until - now).total_seconds())
        raise Problem(idempotency.IN_PROGRESS, headers={"Retry-After": str(wait_s)})


async def closed(
    uow: UnitOfWork, checkout: Row[Any], *, resumed: bool, settings: Settings, now: datetime
) -> Answer:
    """Return the answer to a payment request for a checkout that is no longer open.

    `resumed`: the request was made before, so its answer is the checkout's outcome. Any other request is
    refused, so nothing is charged a second time.
    """
    if resumed or checkout.state == "processing":
        return outcomes.decided(checkout)
    if checkout.state == "booked":
        booking = await store.lock_booking(uow, checkout.id)
        return outcomes.refused(
            refusals.ALREADY_PAID, booking_id=str(booking.id) if booking is not None else None
        )
    expires_at = await store.price_lock_expiry(uow, checkout.price_lock_id)
    if checkout.state == "expired" and pricing.lock_has_expired(expires_at, now):
        problem = await service.price_lock_expired(
            uow,
            customer_id=checkout.customer_id,
            slot_id=checkout.slot_id,
            settings=settings,
            now=now,
        )
        return Answer(problem.status, problem.body())
    return outcomes.refused(refusals.CHECKOUT_CLOSED, state=checkout.state)


async def _outcome(runtime: Runtime, attempt: Attempt) -> Answer:
    """Return the outcome of a checkout that another process took over; raises Problem IN_PROGRESS (409)."""
    now = await runtime.clock.now()

    async def work(uow: UnitOfWork) -> Answer:
        checkout = await store.lock_checkout(uow, attempt.checkout_id)
        assert checkout is not None
        if checkout.state in ("open", "paying"):
            refuse_while_leased(checkout, now)
            raise Problem(idempotency.IN_PROGRESS, headers=_RETRY_AFTER)
        answer = outcomes.decided(checkout)
        if attempt.key is not None:
            await idempotency.finish(uow, customer_id=attempt.customer_id, key=attempt.key, answer=answer)
        return answer

    return await saga.surely(runtime, work)
