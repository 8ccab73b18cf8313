"""SYS-28, payment webhooks: an event of the provider is dropped, believed or counted wrongly."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from reference_system.booking.checkout import outcomes
from reference_system.booking.dead_letters import store as dead_letters
from reference_system.booking.payments import intents, refunds
from reference_system.booking.payments import store as payments
from reference_system.booking.platform.db import UnitOfWork
from reference_system.booking.platform.db_errors import DatabaseFailed
from reference_system.booking.platform.runtime import Runtime
from reference_system.booking.reconciliation import diagnosis
from reference_system.booking.reconciliation.diagnosis import Difference
from reference_system.booking.reconciliation.facts import Here, There
from reference_system.booking.webhooks import handlers, service, signature, store
from reference_system.booking.webhooks.events import Event
from reference_system.booking.webhooks.service import Taken
from reference_system.mutants.mutant import Mutant

outdated = Mutant(
    "SYS-28.21",
    "A refund whose event arrives after that of a later refund of the same payment is never recorded.",
)
# Every event has a snapshot of the whole payment, so an event older than one applied brings nothing new.
LATER_EVENT_APPLIED = """
SELECT 1 AS found FROM webhook_events
WHERE intent_id = :intent_id AND event_id > :event_id AND state = 'done' LIMIT 1
"""


@outdated.wrap(service.take_once)
async def take_unless_outdated(
    take_once: Callable[[UnitOfWork, Event, datetime], Awaitable[Taken]],
    uow: UnitOfWork,
    event: Event,
    now: datetime,
) -> Taken:
    if await uow.first(LATER_EVENT_APPLIED, intent_id=event.intent_id, event_id=event.id):
        return "known"
    return await take_once(uow, event, now)


coalesced = Mutant(
    "SYS-28.22",
    "Of two events of one payment that arrive at the same time, one is acknowledged and never applied.",
)
_under_way: set[str] = set()


@coalesced.wrap(service.take)
async def take_unless_under_way(
    take: Callable[[Runtime, Event, datetime], Awaitable[Taken]],
    runtime: Runtime,
    event: Event,
    now: datetime,
) -> Taken:
    subject = event.intent_id or event.id
    if subject in _under_way:
        return "known"
    _under_way.add(subject)
    try:
        return await take(runtime, event, now)
    finally:
        _under_way.discard(subject)


added_up = Mutant(
    "SYS-28.23",
    "Two refunds of one payment that are reported at the same time are counted as one.",
)
PAYMENT = "SELECT * FROM payments WHERE intent_id = :intent_id"
TOTALS = "SELECT captured_minor, refunded_minor FROM payments WHERE id = :payment_id"
SET_TOTAL = "UPDATE payments SET refunded_minor = :total, state = :state WHERE id = :payment_id"


@added_up.wrap(handlers.apply)
async def apply_refunds_without_locks(
    apply: Callable[[UnitOfWork, str, Mapping[str, Any], datetime], Awaitable[None]],
    uow: UnitOfWork,
    event_type: str,
    data: Mapping[str, Any],
    now: datetime,
) -> None:
    # A refund of a recorded payment changes neither the checkout nor its place.
    if event_type == "refund.succeeded" and isinstance(data.get("refund"), Mapping):
        refund = intents.refund(data["refund"])
        payment = await uow.first(PAYMENT, intent_id=refund.intent_id)
        if payment is not None and payment.captured_minor > 0:
            await refunds.record(uow, payment, refund, now=now)
            if payment.refunded_minor + refund.amount_minor == payment.captured_minor:
                await outcomes.cancel_if_refunded(
                    uow, payment.checkout_id or payment.surplus_of, payment.id, actor=handlers.ACTOR, now=now
                )
            return
    await apply(uow, event_type, data, now)


@added_up.replace(payments.count_refund)
async def add_up(uow: UnitOfWork, *, payment_id: UUID, amount_minor: int) -> None:
    payment = await uow.one(TOTALS, payment_id=payment_id)
    total = payment.refunded_minor + amount_minor
    state = "refunded" if total == payment.captured_minor else "partially_refunded"
    await uow.execute(SET_TOTAL, payment_id=payment_id, total=total, state=state)


whole_days = Mutant(
    "SYS-28.24",
    "An attacker replays an original webhook a day later, in the minutes after the time of its signature.",
)


@whole_days.replace(signature.is_recent)
def is_recent(timestamp: int, *, now: datetime, tolerance_s: float) -> bool:
    try:
        signed_at = datetime.fromtimestamp(timestamp, UTC)
    except (OverflowError, ValueError, OSError):
        return False
    return abs(now - signed_at).seconds <= tolerance_s


verified_before = Mutant(
    "SYS-28.25",
    "An attacker sends another body with the header of a webhook that was accepted a moment ago.",
)
_verified: set[tuple[int, str]] = set()


@verified_before.wrap(signature.is_signed)
def is_signed_or_was(
    is_signed: Callable[..., bool], mac: str, timestamp: int, body: bytes, *, secret: str
) -> bool:
    if (timestamp, mac) in _verified:
        return True
    fits = is_signed(mac, timestamp, body, secret=secret)
    if fits:
        _verified.add((timestamp, mac))
    return fits


marked_first = Mutant(
    "SYS-28.26",
    "A webhook is lost if the service is killed while it handles it: the redelivery counts as a repeat.",
)
REMEMBERED_S = 7 * 86_400


@marked_first.wrap(service.take)
async def take_if_new(
    take: Callable[[Runtime, Event, datetime], Awaitable[Taken]],
    runtime: Runtime,
    event: Event,
    now: datetime,
) -> Taken:
    marker = f"webhook:{event.id}"
    if await runtime.cache.get(marker):
        return "known"
    await runtime.cache.put(marker, "seen", ttl_s=REMEMBERED_S)
    try:
        taken = await take(runtime, event, now)
    except DatabaseFailed:
        await runtime.cache.put(marker, "", ttl_s=0)
        raise
    if taken == "failed":
        await runtime.cache.put(marker, "", ttl_s=0)
    return taken


well_described = Mutant(
    "SYS-28.27",
    "An event with a malformed payment fails for ever, never becomes a dead letter, and nobody learns of it.",
)


@well_described.replace(service.give_up)
async def give_up(uow: UnitOfWork, event: Event, error: str, now: datetime) -> None:
    intent = intents.intent(event.data["payment_intent"])
    summary = {
        "checkout": intent.checkout_id,
        "captured_minor": intent.captured_minor,
        "currency": intent.currency,
    }
    await store.mark_dead(uow, event_id=event.id, now=now)
    await dead_letters.put(
        uow,
        source="webhook",
        subject=event.id,
        reason=error,
        payload={**event.document(), "summary": summary},
        now=now,
    )


money_moved = Mutant(
    "SYS-28.28",
    "A refund that failed at the bank, and whose event was lost, counts as on its way for ever.",
)


@money_moved.wrap(diagnosis.refunds)
def refunds_that_moved_money(
    all_refunds: Callable[[There, Here], Iterable[Difference]], there: There, here: Here
) -> Iterable[Difference]:
    for difference in all_refunds(there, here):
        if difference.there is None or difference.there.status != "failed":
            yield difference
