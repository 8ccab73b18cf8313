"""Taking an event: in one transaction it is recorded, applied and done, or nothing of it happened.

Only then is it acknowledged. A failure is counted in a transaction of its own and answered with an
error, so that the provider delivers again; after enough of them the event is left to a person.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import structlog

from reference_system.booking.checkout import saga
from reference_system.booking.db import UnitOfWork
from reference_system.booking.db_errors import ConstraintViolated, DatabaseFailed
from reference_system.booking.dead_letters import store as dead_letters
from reference_system.booking.runtime import Runtime
from reference_system.booking.webhooks import handlers, store

_log = structlog.get_logger(__name__)

Taken = Literal["applied", "known", "failed", "dead"]


@dataclass(frozen=True, slots=True)
class Event:
    """An event as it was delivered; `data` holds snapshots of the payment and, maybe, a refund."""

    id: str
    type: str
    data: Mapping[str, Any]

    @property
    def intent_id(self) -> str | None:
        intent = self.data.get("payment_intent")
        found = intent.get("id") if isinstance(intent, Mapping) else None
        return found if isinstance(found, str) else None

    def document(self) -> dict[str, Any]:
        return {"id": self.id, "type": self.type, "data": self.data}


async def take(runtime: Runtime, event: Event, now: datetime) -> Taken:
    """Take an event: `applied`, `known` from before, `failed` for now, or `dead` for good.

    All but `failed` are to be acknowledged. Raises DatabaseFailed when the database does not answer;
    that is no failed attempt.
    """

    async def work(uow: UnitOfWork) -> Taken:
        return await take_once(uow, event, now)

    try:
        return await saga.surely(runtime, work)
    except Exception as error:
        if isinstance(error, DatabaseFailed) and not isinstance(error, ConstraintViolated):
            raise
        return await fail(runtime, event, f"{type(error).__name__}: {error}", now)


async def take_once(uow: UnitOfWork, event: Event, now: datetime) -> Taken:
    """Record, apply and finish an event in one transaction; a known one is left alone."""
    await store.take(
        uow,
        event_id=event.id,
        event_type=event.type,
        intent_id=event.intent_id,
        payload=event.document(),
        now=now,
    )
    if is_known((await store.lock_event(uow, event.id)).state):
        return "known"
    await handlers.apply(uow, event.type, event.data, now)
    await store.mark_done(uow, event_id=event.id, now=now)
    return "applied"


def is_known(state: str) -> bool:
    """Whether an event has had its effect, or was left to a person."""
    return state != "pending"


async def fail(runtime: Runtime, event: Event, error: str, now: datetime) -> Taken:
    """Count a failed attempt; the last one makes it a dead letter."""

    async def work(uow: UnitOfWork) -> Taken:
        await store.take(
            uow,
            event_id=event.id,
            event_type=event.type,
            intent_id=event.intent_id,
            payload=event.document(),
            now=now,
        )
        attempts = await store.note_failure(uow, event_id=event.id, error=error)
        if attempts is None:
            return "known"
        if attempts < runtime.settings.webhook_max_attempts:
            return "failed"
        await give_up(uow, event, error, now)
        return "dead"

    taken = await runtime.database.run(work)
    _log.warning("webhook-failed", event_id=event.id, type=event.type, error=error, taken=taken)
    return taken


async def give_up(uow: UnitOfWork, event: Event, error: str, now: datetime) -> None:
    """Leave an event that keeps failing to a person."""
    await store.mark_dead(uow, event_id=event.id, now=now)
    await dead_letters.put(
        uow, source="webhook", subject=event.id, reason=error, payload=event.document(), now=now
    )
