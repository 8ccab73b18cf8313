"""Events in the database: each is recorded once, regardless of the number of deliveries."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Row

from reference_system.booking.platform.db import UnitOfWork

# A second delivery waits here for the first one's commit and then sees its result.
TAKE = """
INSERT INTO webhook_events (event_id, type, intent_id, payload, state, received_at)
VALUES (:event_id, :type, :intent_id, CAST(:payload AS jsonb), 'pending', :now)
ON CONFLICT (event_id) DO NOTHING
"""
LOCK_EVENT = "SELECT state, attempts FROM webhook_events WHERE event_id = :event_id FOR UPDATE"
MARK_DONE = """
UPDATE webhook_events SET state = 'done', attempts = attempts + 1, processed_at = :now
WHERE event_id = :event_id
"""
NOTE_FAILURE = """
UPDATE webhook_events SET attempts = attempts + 1, last_error = :error
WHERE event_id = :event_id AND state = 'pending'
RETURNING attempts
"""
MARK_DEAD = "UPDATE webhook_events SET state = 'dead', processed_at = :now WHERE event_id = :event_id"


async def take(
    uow: UnitOfWork,
    *,
    event_id: str,
    event_type: str,
    intent_id: str | None,
    payload: Mapping[str, Any],
    now: datetime,
) -> None:
    """Record an event as received unless it is recorded already."""
    await uow.execute(
        TAKE, event_id=event_id, type=event_type, intent_id=intent_id, payload=json.dumps(payload), now=now
    )


async def lock_event(uow: UnitOfWork, event_id: str) -> Row[Any]:
    """Return `state` and `attempts` of a recorded event, locked until the commit."""
    return await uow.one(LOCK_EVENT, event_id=event_id)


async def mark_done(uow: UnitOfWork, *, event_id: str, now: datetime) -> None:
    await uow.execute(MARK_DONE, event_id=event_id, now=now)


async def note_failure(uow: UnitOfWork, *, event_id: str, error: str) -> int | None:
    """Count a failed attempt; returns the number of attempts, None if the event is finished."""
    row = await uow.first(NOTE_FAILURE, event_id=event_id, error=error)
    return row.attempts if row is not None else None


async def mark_dead(uow: UnitOfWork, *, event_id: str, now: datetime) -> None:
    await uow.execute(MARK_DEAD, event_id=event_id, now=now)
