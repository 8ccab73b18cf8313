"""The outbox in the database: a message is written with its change and marked when it is sent."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row

from reference_system.booking.platform.db import UnitOfWork

PUT = "INSERT INTO outbox (topic, payload, created_at) VALUES (:topic, CAST(:payload AS jsonb), :now)"
# Messages that another process has locked are skipped.
TAKE_UNSENT = """
SELECT id, topic, payload FROM outbox WHERE sent_at IS NULL ORDER BY id LIMIT :limit FOR UPDATE SKIP LOCKED
"""
MARK_SENT = "UPDATE outbox SET sent_at = :now WHERE id = ANY(CAST(:ids AS bigint[]))"


async def put(uow: UnitOfWork, *, topic: str, payload: Mapping[str, Any], now: datetime) -> None:
    """Add a message; it is announced after this transaction commits."""
    await uow.execute(PUT, topic=topic, payload=json.dumps(payload, default=str), now=now)


async def take_unsent(uow: UnitOfWork, *, limit: int) -> Sequence[Row[Any]]:
    """Return unsent messages, oldest first, locked until the commit; `payload` is JSON text."""
    return await uow.all(TAKE_UNSENT, limit=limit)


async def mark_sent(uow: UnitOfWork, *, ids: Sequence[int], now: datetime) -> None:
    await uow.execute(MARK_SENT, ids=list(ids), now=now)
