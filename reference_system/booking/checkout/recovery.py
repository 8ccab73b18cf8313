"""Completes checkouts whose payment was interrupted."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import Row

from reference_system.booking.checkout import saga, store
from reference_system.booking.checkout.outcomes import NeedsPerson
from reference_system.booking.checkout.saga import Attempt, Superseded
from reference_system.booking.payments.client import ProviderFailed, ProviderUnreachable
from reference_system.booking.payments.intents import Malformed
from reference_system.booking.platform.db import UnitOfWork
from reference_system.booking.platform.runtime import Runtime

_log = structlog.get_logger(__name__)


async def claim_next(runtime: Runtime, after: UUID) -> Row[Any] | None:
    """Lease the next abandoned checkout by id, so that no other process recovers it at the same time."""
    now = await runtime.clock.now()
    lease_until = now + timedelta(seconds=runtime.settings.paying_lease_s)

    async def work(uow: UnitOfWork) -> Row[Any] | None:
        return await store.claim_abandoned(uow, after=after, lease_until=lease_until, now=now)

    return await runtime.database.run(work)


async def recover(runtime: Runtime, attempt: Attempt) -> str:
    """Continue the saga where it stopped; returns the outcome as the job's report counts it."""
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
    """Return an attempt to complete an abandoned checkout; without a card token, it starts no new payment."""
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
