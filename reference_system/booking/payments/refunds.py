"""Refunds: recorded in the transaction that decides them, sent afterwards, counted when they succeed.

A refund row is written as `pending` with the change that makes the money owed. The outbox job sends it
under its own key until the provider accepts it, so after a crash it is sent later and takes effect once.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import structlog
from sqlalchemy import Row

from reference_system.booking.audit import store as audit
from reference_system.booking.checkout import store as checkouts
from reference_system.booking.dead_letters import store as dead_letters
from reference_system.booking.ledger import service as ledger
from reference_system.booking.payments import client, store
from reference_system.booking.payments.client import ProviderRefused
from reference_system.booking.payments.intents import Intent, Malformed, ProviderRefund
from reference_system.booking.platform.db import UnitOfWork
from reference_system.booking.platform.runtime import Runtime

BY_HAND = "made at the provider"

_log = structlog.get_logger(__name__)


async def owe(
    uow: UnitOfWork, payment: Row[Any], *, left_minor: int, reason: str, now: datetime
) -> UUID | None:
    """Record a refund of the rest of a captured payment; None if nothing is left.

    `left_minor` is the rest at the provider; it is smaller if something was refunded by hand.
    """
    amount_minor = min(
        left_minor,
        payment.captured_minor - payment.refunded_minor - await store.open_refunds_minor(uow, payment.id),
    )
    if amount_minor <= 0:
        return None
    refund_id = uuid4()
    await store.add_refund(
        uow,
        refund_id=refund_id,
        payment_id=payment.id,
        provider_refund_id=None,
        amount_minor=amount_minor,
        state="pending",
        reason=reason,
        now=now,
    )
    await _audit(
        uow, "owed", refund_id, now=now, payment=payment.id, amount_minor=amount_minor, reason=reason
    )
    return refund_id


async def record(uow: UnitOfWork, payment: Row[Any], refund: ProviderRefund, *, now: datetime) -> bool:
    """Record the provider's state of one refund of a locked payment; returns whether it changed anything.

    A success is counted once per refund id, also if a failure was recorded before. A refund made by hand at
    the provider gets a row. Raises Malformed if its amount is not the recorded one.
    """
    row = await store.find_refund(
        uow, payment_id=payment.id, provider_refund_id=refund.id, refund_id=refund.refund_id
    )
    if row is None:
        if refund.status == "failed":
            return False
        refund_id = uuid4()
        await store.add_refund(
            uow,
            refund_id=refund_id,
            payment_id=payment.id,
            provider_refund_id=refund.id,
            amount_minor=refund.amount_minor,
            state="sent",
            reason=BY_HAND,
            now=now,
        )
    else:
        if row.amount_minor != refund.amount_minor:
            raise Malformed(f"{refund.id} is of {refund.amount_minor}, recorded are {row.amount_minor}")
        paid_after_all = row.state == "failed" and refund.status == "succeeded"
        if (is_settled(row) and not paid_after_all) or (
            refund.status == "pending" and row.provider_refund_id == refund.id
        ):
            return False
        refund_id = row.id
    match refund.status:
        case "succeeded":
            await _count(uow, payment, refund_id, refund, now=now)
        case "failed":
            await _fail(uow, payment, refund_id, refund.id, "the provider could not pay it out", now=now)
        case _:
            await store.set_refund(uow, refund_id=refund_id, state="sent", provider_refund_id=refund.id)
    return True


def is_settled(row: Row[Any]) -> bool:
    """Whether a refund row is final, so that later reports change nothing."""
    return row.state in ("succeeded", "failed")


async def send(runtime: Runtime, refund_id: UUID) -> str:
    """Send one refund to the provider and record the result; returns the refund's new state.

    Safe to repeat and to run in several processes, because of the key. Raises ProviderUnreachable if it is
    unknown whether the provider accepted the refund; then it stays pending.
    """
    row = await store.read_refund(runtime.database, refund_id)
    if row is None or row.intent_id is None:
        return "unknown"
    provider = client.of(runtime)
    try:
        sent = await provider.refund(
            refund_id=refund_id,
            intent_id=row.intent_id,
            amount_minor=row.amount_minor,
            currency=row.currency,
        )
    except ProviderRefused as refused:
        if refused.code not in ("amount_too_large", "not_found"):
            raise
        return await _refused(runtime, row, refused.intent)
    now = await runtime.clock.now()

    async def work(uow: UnitOfWork) -> str:
        payment = await _locked(uow, row)
        await acknowledge(uow, payment, refund_id, sent, now=now)
        return sent.status

    return await runtime.database.run(work)


async def acknowledge(
    uow: UnitOfWork, payment: Row[Any], refund_id: UUID, sent: ProviderRefund, *, now: datetime
) -> None:
    """Record that the provider accepted a refund. If it was recorded as succeeded before it was sent, only
    the provider's id is added."""
    row = await store.read_refund(uow, refund_id)
    assert row is not None
    if row.state == "succeeded":
        if row.provider_refund_id != sent.id:
            await store.set_refund(uow, refund_id=refund_id, state="succeeded", provider_refund_id=sent.id)
        return
    await record(uow, payment, sent, now=now)


async def _refused(runtime: Runtime, row: Row[Any], intent: Intent | None) -> str:
    """Record that the provider has less left than the refund: it is not needed if everything was refunded
    by hand, otherwise a dead letter."""
    now = await runtime.clock.now()
    gone = intent is not None and intent.is_captured and intent.left_minor == 0

    async def work(uow: UnitOfWork) -> str:
        payment = await _locked(uow, row)
        now_row = await store.read_refund(uow, row.id)
        assert now_row is not None
        if is_settled(now_row):
            return str(now_row.state)
        if gone:
            await store.set_refund(uow, refund_id=row.id, state="failed", provider_refund_id=None)
            await _audit(uow, "not-needed", row.id, now=now, payment=payment.id)
        else:
            await _fail(uow, payment, row.id, None, "the provider has less left to refund", now=now)
        return "failed"

    return await runtime.database.run(work)


async def _locked(uow: UnitOfWork, refund: Row[Any]) -> Row[Any]:
    """Lock the checkout and then the payment of a refund; returns the payment."""
    if refund.checkout_id is not None:
        await checkouts.lock_checkout(uow, refund.checkout_id)
    return await store.lock_payment_by_id(uow, refund.payment_id)


async def _count(
    uow: UnitOfWork, payment: Row[Any], refund_id: UUID, refund: ProviderRefund, *, now: datetime
) -> None:
    await store.set_refund(uow, refund_id=refund_id, state="succeeded", provider_refund_id=refund.id)
    await store.count_refund(uow, payment_id=payment.id, amount_minor=refund.amount_minor)
    await ledger.post_refund(
        uow,
        payment_id=payment.id,
        refund_id=refund_id,
        amount_minor=refund.amount_minor,
        currency=payment.currency,
        now=now,
    )
    await _audit(uow, "succeeded", refund_id, now=now, payment=payment.id, amount_minor=refund.amount_minor)


async def _fail(
    uow: UnitOfWork,
    payment: Row[Any],
    refund_id: UUID,
    provider_refund_id: str | None,
    reason: str,
    *,
    now: datetime,
) -> None:
    await store.set_refund(uow, refund_id=refund_id, state="failed", provider_refund_id=provider_refund_id)
    await dead_letters.put(
        uow,
        source="outbox",
        subject=str(refund_id),
        reason=reason,
        payload={"payment": payment.id, "checkout": payment.checkout_id or payment.surplus_of},
        now=now,
    )
    await _audit(uow, "failed", refund_id, now=now, payment=payment.id, reason=reason)
    _log.warning("refund-failed", refund=str(refund_id), reason=reason)


async def _audit(uow: UnitOfWork, action: str, refund_id: UUID, *, now: datetime, **detail: Any) -> None:
    await audit.record(
        uow, at=now, actor=audit.SYSTEM, action=action, entity="refund", entity_id=refund_id, **detail
    )
