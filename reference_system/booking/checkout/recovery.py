"""The job that brings to an end what somebody began to pay for and did not finish."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import Row

from reference_system.booking import jobs
from reference_system.booking.checkout import saga, store
from reference_system.booking.checkout.ending import NeedsPerson
from reference_system.booking.checkout.saga import Attempt, Superseded
from reference_system.booking.db import UnitOfWork
from reference_system.booking.jobs import Report
from reference_system.booking.payments.client import ProviderFailed, ProviderUnreachable
from reference_system.booking.payments.intents import Malformed
from reference_system.booking.runtime import Runtime

GIVE_UP_AFTER = 3
"""So many checkouts that found no provider end a run; the rest waits for the next."""

_log = structlog.get_logger(__name__)


@jobs.register("recover_checkouts", every_s=10)
async def recover_checkouts(runtime: Runtime) -> Report:
    """Bring every checkout whose payment was abandoned to the end that the provider tells of.

    Captured: booked, or paid back when the place is lost. Authorised: captured, then the same.
    Declined, or nothing there: ended, its hold released. The outcome is recorded for whoever
    repeats the request. Several processes may do this at once.
    """
    outcomes: Counter[str] = Counter()
    after = UUID(int=0)
    while outcomes["unreachable"] < GIVE_UP_AFTER:
        abandoned = await claim_next(runtime, after)
        if abandoned is None:
            break
        after = abandoned.id
        outcomes[await recover(runtime, attempt_of(abandoned))] += 1
    return {"recovered": outcomes.total() - outcomes["unreachable"] - outcomes["stuck"], **outcomes}


async def claim_next(runtime: Runtime, after: UUID) -> Row[Any] | None:
    """Lease the next abandoned checkout by id, so that nobody else takes it up meanwhile."""
    now = await runtime.clock.now()
    lease_until = now + timedelta(seconds=runtime.settings.paying_lease_s)

    async def work(uow: UnitOfWork) -> Row[Any] | None:
        return await store.claim_abandoned(uow, after=after, lease_until=lease_until, now=now)

    return await runtime.database.run(work)


async def recover(runtime: Runtime, attempt: Attempt) -> str:
    """Go on where the saga was left; returns what became of it, as its report counts it."""
    try:
        return str((await saga.carry_out(runtime, attempt)).status)
    except ProviderUnreachable:
        await saga.let_go(runtime, attempt)
        return "unreachable"
    except Superseded:
        return "superseded"
    except (ProviderFailed, Malformed, NeedsPerson) as error:
        _log.error("recovery-stuck", checkout=str(attempt.checkout_id), error=str(error))
        return "stuck"


def attempt_of(checkout: Row[Any]) -> Attempt:
    """The right to end an abandoned checkout; without a card, so that nothing new is begun."""
    return Attempt(
        checkout_id=checkout.id,
        customer_id=checkout.customer_id,
        amount_minor=checkout.amount_minor,
        currency=checkout.currency,
        key=checkout.pay_key,
        lease_until=checkout.lease_until,
        resumed=True,
        method=checkout.method or "card",
    )
