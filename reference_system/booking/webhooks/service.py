"""Processes an event: one transaction records it, applies it and marks it done, or changes nothing.

The event is acknowledged after that commit. A failure is counted in a separate transaction and answered
with an error, so that the provider delivers again; after too many failures the event becomes a dead letter.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import structlog

from reference_system.booking.checkout import saga
from reference_system.booking.dead_letters import store as dead_letters
from reference_system.booking.platform.db import UnitOfWork
from reference_system.booking.platform.db_errors import ConstraintViolated, DatabaseFailed
from reference_system.booking.platform.runtime import Runtime
from reference_system.booking.webhooks import handlers, store
from reference_system.booking.webhooks.events import Event, storable

_log = structlog.get_logger(__name__)

Taken = Literal["applied", "known", "failed", "dead"]


async def take(runtime: Runtime, event: Event, now: datetime) -> Taken:
    """Process an event: `applied`, `known` already, `failed` for now, or `dead` after too many attempts.

    All but `failed` are acknowledged. Raises DatabaseFailed if the database does not answer, which does not
    count as a failed attempt.
    """

    async def work(uow: UnitOfWork) -> Taken:
        return await take_once(uow, event, now)

    if event.fault:
        return await fail(runtime, event, event.fault, now)
    try:
        return await saga.surely(runtime, work)
    except Exception as error:
        if isinstance(error, DatabaseFailed) and not isinstance(error, ConstraintViolated):
            raise
        return await fail(runtime, event, f"{type(error).__name__}: {error}", now)


async def take_once(uow: UnitOfWork, event: Event, now: datetime) -> Taken:
    """Record, apply and finish an event in one transaction; a known event is skipped."""
    await store.take(
        uow,
        event_id=event.id,
        event_type=storable(event.type),
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
    """Whether an event was applied or left to a person."""
    return state != "pending"


async def fail(runtime: Runtime, event: Event, error: str, now: datetime) -> Taken:
    """Count a failed attempt; the last one makes it a dead letter."""
    error = storable(error)

    async def work(uow: UnitOfWork) -> Taken:
        await store.take(
            uow,
            event_id=event.id,
            event_type=storable(event.type),
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
