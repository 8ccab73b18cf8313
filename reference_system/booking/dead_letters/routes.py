"""`GET /dead-letters`."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel

from reference_system.booking.accounts import authentication
from reference_system.booking.accounts.authentication import HasOperator
from reference_system.booking.dead_letters import store
from reference_system.booking.platform.problems import FORBIDDEN, responses
from reference_system.booking.platform.runtime import HasRuntime

router = APIRouter(tags=["dead letters"])


class DeadLetter(BaseModel):
    """`subject` is an event, a refund, or what reconciliation found: a checkout, hold or intent."""

    id: UUID
    source: Literal["webhook", "reconciliation", "outbox"]
    subject: str
    reason: str
    payload: dict[str, Any]
    created_at: datetime
    resolved_at: datetime | None


@router.get("/dead-letters", responses=responses(*authentication.KINDS, FORBIDDEN))
async def read_dead_letters(
    *,
    operator: HasOperator,
    runtime: HasRuntime,
    after: UUID | None = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    subject: str | None = None,
) -> list[DeadLetter]:
    """Dead letters that are not resolved, oldest first; page by the last one's `id`. For operators."""
    rows = await store.page(runtime.database, subject=subject, after=after, limit=limit)
    return [
        DeadLetter(
            id=row.id,
            source=row.source,
            subject=row.subject,
            reason=row.reason,
            payload=json.loads(row.payload),
            created_at=row.created_at,
            resolved_at=row.resolved_at,
        )
        for row in rows
    ]
