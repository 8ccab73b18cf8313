"""Dead letters in the database: one for each subject and reason."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal
from uuid import UUID, uuid4

from sqlalchemy import Row

from reference_system.booking.platform.db import Database, UnitOfWork

Source = Literal["webhook", "reconciliation", "outbox"]

PUT = """
INSERT INTO dead_letters (id, source, subject, reason, payload, created_at)
VALUES (:id, :source, :subject, :reason, CAST(:payload AS jsonb), :now)
ON CONFLICT (source, subject, reason) DO NOTHING
"""
# Whether a person has yet to decide about a kind of difference of a subject.
OPEN = """
SELECT 1 AS found FROM dead_letters
WHERE source = :source AND subject = :subject AND payload ->> 'kind' = :kind AND resolved_at IS NULL
LIMIT 1
"""
PAGE = """
SELECT id, source, subject, reason, payload, created_at, resolved_at FROM dead_letters
WHERE (CAST(:subject AS text) IS NULL OR subject = :subject)
  AND (CAST(:after AS uuid) IS NULL
       OR (created_at, id) > (SELECT created_at, id FROM dead_letters WHERE id = :after))
ORDER BY created_at, id
LIMIT :limit
"""


async def put(
    uow: UnitOfWork,
    *,
    source: Source,
    subject: str,
    reason: str,
    payload: Mapping[str, Any],
    now: datetime,
) -> bool:
    """Add a dead letter; returns False if it exists already."""
    return (
        await uow.execute(
            PUT,
            id=uuid4(),
            source=source,
            subject=subject,
            reason=reason,
            payload=json.dumps(payload, default=str),
            now=now,
        )
        == 1
    )


async def is_open(uow: UnitOfWork, *, source: Source, subject: str, kind: str) -> bool:
    """Whether there is an unresolved letter about a subject whose payload has this `kind`."""
    return await uow.first(OPEN, source=source, subject=subject, kind=kind) is not None


async def page(
    database: Database, *, subject: str | None, after: UUID | None, limit: int
) -> Sequence[Row[Any]]:
    """Return dead letters after `after`, oldest first; `payload` is JSON text."""
    return await database.all(PAGE, subject=subject, after=after, limit=limit)
