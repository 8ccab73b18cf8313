"""Rows of the audit trail, appended in the transaction that makes the change."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row

from reference_system.booking.platform.db import Database, UnitOfWork

RECORD = """
INSERT INTO audit (at, actor, action, entity, entity_id, detail)
VALUES (:at, :actor, :action, :entity, :entity_id, CAST(:detail AS jsonb))
"""
PAGE = """
SELECT id, at, actor, action, entity, entity_id, detail FROM audit
WHERE id > :after
  AND (CAST(:entity AS text) IS NULL OR entity = :entity)
  AND (CAST(:entity_id AS text) IS NULL OR entity_id = :entity_id)
ORDER BY id
LIMIT :limit
"""

SYSTEM = "system"
"""The actor of what the service does by itself: jobs, recovery, reconciliation."""


async def record(
    uow: UnitOfWork,
    *,
    at: datetime,
    actor: UUID | str,
    action: str,
    entity: str,
    entity_id: UUID | str,
    **detail: Any,
) -> None:
    """Append one row; `actor` is a customer's id, "provider" or SYSTEM."""
    await uow.execute(
        RECORD,
        at=at,
        actor=str(actor),
        action=action,
        entity=entity,
        entity_id=str(entity_id),
        detail=json.dumps(detail, default=str),
    )


async def page(
    database: Database, *, after: int, limit: int, entity: str | None, entity_id: str | None
) -> Sequence[Row[Any]]:
    """Return rows after the id `after`, oldest first."""
    return await database.all(PAGE, after=after, limit=limit, entity=entity, entity_id=entity_id)
