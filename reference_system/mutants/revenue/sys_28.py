"""SYS-28, webhooks: an event takes effect twice, too early, never, or without a valid signature."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol
from uuid import UUID, uuid4

import structlog
from sqlalchemy import Row

from reference_system.booking.dead_letters import store as dead_letters
from reference_system.booking.payments import service as payment_service
from reference_system.booking.payments import store as payments
from reference_system.booking.payments.intents import Intent, ProviderRefund
from reference_system.booking.platform.db import UnitOfWork
from reference_system.booking.platform.problems import INVALID_REQUEST, Problem
from reference_system.booking.platform.runtime import Runtime
from reference_system.booking.reconciliation import diagnosis
from reference_system.booking.reconciliation import service as reconciliation
from reference_system.booking.reconciliation.diagnosis import Difference
from reference_system.booking.reconciliation.facts import Here, There
from reference_system.booking.webhooks import events, handlers, service, signature, store
from reference_system.booking.webhooks.events import Event
from reference_system.booking.webhooks.service import Taken
from reference_system.mutants.mutant import Mutant

refunded_twice = Mutant(
    "SYS-28.1",
    "A refund that the provider reports twice is recorded twice.",
    schema=("ALTER TABLE refunds DROP CONSTRAINT refunds_provider_id_once",),
)
refunded_twice.edit(payments.FIND_REFUND, "provider_refund_id = :provider_refund_id OR ", "")


@refunded_twice.replace(service.is_known)
def never_known(state: str) -> bool:
    return False


early_acknowledgement = Mutant(
    "SYS-28.2",
    "An event is acknowledged before it is processed: one that a crash interrupts is never sent again.",
    also_opens={"SYS-28.f": "it fails after the acknowledgement, so it is never delivered again"},
)
in_progress: set[asyncio.Task[Taken]] = set()


class Take(Protocol):
    def __call__(self, runtime: Runtime, event: Event, now: datetime) -> Coroutine[Any, Any, Taken]: ...


@early_acknowledgement.wrap(service.take)
async def take_in_the_background(take: Take, runtime: Runtime, event: Event, now: datetime) -> Taken:
    task = asyncio.create_task(take(runtime, event, now))
    in_progress.add(task)
    task.add_done_callback(in_progress.discard)
    return "applied"


unsigned = Mutant("SYS-28.3", "Anyone can report that a payment has arrived.")


@unsigned.replace(signature.is_signed)
def from_anyone(mac: str, timestamp: int, body: bytes, *, secret: str) -> bool:
    return True


replayable = Mutant("SYS-28.4", "A recorded webhook can be replayed a year later.")


@replayable.replace(signature.is_recent)
def from_any_time(timestamp: int, *, now: datetime, tolerance_s: float) -> bool:
    return True


backwards = Mutant(
    "SYS-28.5",
    "A late authorisation event turns a captured payment back into an authorised one.",
    schema=("DROP TRIGGER payments_go_forward ON payments",),
)
backwards.edit(payments.ADVANCE, " AND payment_rank(state) < payment_rank(:state)", "")


unreconciled = Mutant(
    "SYS-28.6",
    "A capture that the provider never reported stays unknown: the customer is charged and not booked.",
    also_opens={"SYS-28.d": "what a refused copy reported is not made up for either"},
)


@unreconciled.replace(reconciliation.run)
async def compare_nothing(runtime: Runtime) -> tuple[UUID, int]:
    return uuid4(), 0


only_logged = Mutant("SYS-28.7", "An event that cannot be processed appears in a log file and nowhere else.")


@only_logged.replace(service.fail)
async def log_and_go_on(runtime: Runtime, event: Event, error: str, now: datetime) -> Taken:
    structlog.get_logger(__name__).error("webhook-failed", event_id=event.id, type=event.type, error=error)
    return "applied"


failure_noted = Mutant(
    "SYS-28.8",
    "A bank transfer that failed is only noted: the place stays held for a customer who cannot pay.",
)


@failure_noted.replace(handlers.failed)
async def note_failure(uow: UnitOfWork, checkout: Row[Any], intent: Intent, now: datetime) -> None:
    await payment_service.record_progress(uow, intent, checkout_id=checkout.id, state="failed")


alike = Mutant("SYS-28.9", "A second refund of the same amount is taken for a copy of the first.")


@alike.wrap(service.take_once)
async def take_once_by_content(
    take_once: Callable[[UnitOfWork, Event, datetime], Awaitable[Taken]],
    uow: UnitOfWork,
    event: Event,
    now: datetime,
) -> Taken:
    amount = event.data.get("refund", {}).get("amount", "")
    return await take_once(uow, replace(event, id=f"{event.intent_id}:{event.type}:{amount}"), now)


three_days = Mutant(
    "SYS-28.10",
    "Processed events are forgotten after three days: a copy after that refunds once more in the books.",
    schema=("ALTER TABLE refunds DROP CONSTRAINT refunds_provider_id_once",),
)
three_days.edit(payments.FIND_REFUND, "provider_refund_id = :provider_refund_id OR ", "")
three_days.edit(
    store.TAKE,
    "DO NOTHING",
    "DO UPDATE SET state = 'pending' WHERE webhook_events.processed_at < CAST(:now AS timestamptz) "
    "- interval '3 days'",
)


outdated = Mutant("SYS-28.11", "An event that is delayed for more than a week is skipped as outdated.")


@outdated.wrap(handlers.apply)
async def apply_recent(
    apply: Callable[[UnitOfWork, str, Mapping[str, Any], datetime], Awaitable[None]],
    uow: UnitOfWork,
    event_type: str,
    data: Mapping[str, Any],
    now: datetime,
) -> None:
    created = datetime.fromtimestamp(data.get("payment_intent", {}).get("created", now.timestamp()), UTC)
    if now - created < timedelta(days=7):
        await apply(uow, event_type, data, now)


last_wins = Mutant(
    "SYS-28.12", "Of several signatures in a header only the last is checked, and a digit more is ignored."
)


@last_wins.replace(signature.parse)
def parse_last(header: str | None) -> tuple[int, str]:
    parts = dict(part.strip().partition("=")[::2] for part in (header or "").split(","))
    if not parts.get("t", "").isdigit() or not parts.get("v1"):
        raise signature.NotGenuine("the signature is malformed")
    return int(parts["t"]), parts["v1"][:64]


refusal_unheard = Mutant(
    "SYS-28.13", "Reconciliation looks at captured money only: a transfer that failed is awaited for ever."
)


@refusal_unheard.replace(diagnosis.unheard_refusals)
def no_refusals(there: There, here: Here) -> Iterable[Difference]:
    return ()


parsed = Mutant(
    "SYS-28.14", "The signature is checked over the parsed content: a body that was rewritten is taken."
)


@parsed.wrap(signature.is_signed)
def is_content_signed(
    is_signed: Callable[..., bool], mac: str, timestamp: int, body: bytes, *, secret: str
) -> bool:
    try:
        body = json.dumps(json.loads(body)).encode()
    except ValueError:
        return False
    return is_signed(mac, timestamp, body, secret=secret)


failed_is_done = Mutant(
    "SYS-28.15",
    "An event whose first attempt failed is taken for processed when it is delivered again, and is lost.",
)
failed_is_done.edit(store.NOTE_FAILURE, "SET attempts", "SET state = 'done', attempts")


done_first = Mutant(
    "SYS-28.16",
    "An event is marked as done in a transaction of its own before its effect: a crash in between loses it.",
    also_opens={"SYS-28.f": "an event that fails after it was marked is known, so it is never tried again"},
)


@done_first.replace(service.take_once)
async def mark_and_commit(uow: UnitOfWork, event: Event, now: datetime) -> Taken:
    async def mark(own: UnitOfWork) -> bool:
        await store.take(
            own,
            event_id=event.id,
            event_type=event.type,
            intent_id=event.intent_id,
            payload=event.document(),
            now=now,
        )
        known = service.is_known((await store.lock_event(own, event.id)).state)
        await store.mark_done(own, event_id=event.id, now=now)
        return known

    if await uow.database.run(mark):
        return "known"
    await handlers.apply(uow, event.type, event.data, now)
    return "applied"


unreadable = Mutant(
    "SYS-28.17", "A delivery that cannot be read is refused for ever and appears in no dead-letter queue."
)


@unreadable.wrap(events.read)
def read_or_refuse(read: Callable[[bytes], Event], body: bytes) -> Event:
    event = read(body)
    if event.fault:
        raise Problem(INVALID_REQUEST, "This is no event.")
    return event


currency_ignored = Mutant(
    "SYS-28.18", "A refund in another currency is recorded as one in the currency of the payment."
)


@currency_ignored.replace(handlers.require_possible)
def require_an_amount(refund: ProviderRefund, intent: Intent) -> None:
    if not 0 < refund.amount_minor <= intent.captured_minor:
        raise handlers.CannotApply(f"{refund.id} is of {refund.amount_minor}")


hidden = Mutant(
    "SYS-28.19",
    "The list of dead letters shows only those of reconciliation: nobody learns of a lost webhook.",
)
hidden.edit(dead_letters.PAGE, "WHERE (CAST", "WHERE source = 'reconciliation' AND (CAST")
