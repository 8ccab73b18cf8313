"""`GET /audit`."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel

from reference_system.booking.accounts import authentication
from reference_system.booking.accounts.authentication import HasOperator
from reference_system.booking.audit import store
from reference_system.booking.platform.problems import FORBIDDEN, responses
from reference_system.booking.platform.runtime import HasRuntime

router = APIRouter(tags=["audit"])


class AuditRow(BaseModel):
    """`actor` is a customer's id, "provider" or "system"."""

    id: int
    at: datetime
    actor: str
    action: str
    entity: str
    entity_id: str
    detail: dict[str, Any]


@router.get("/audit", responses=responses(*authentication.KINDS, FORBIDDEN))
async def read_audit(
    *,
    operator: HasOperator,
    runtime: HasRuntime,
    after: Annotated[int, Query(ge=0)] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    entity: str | None = None,
    entity_id: str | None = None,
) -> list[AuditRow]:
    """Rows of the audit log, oldest first; page by the last row's `id`. For operators."""
    rows = await store.page(runtime.database, after=after, limit=limit, entity=entity, entity_id=entity_id)
    return [
        AuditRow(
            id=row.id,
            at=row.at,
            actor=row.actor,
            action=row.action,
            entity=row.entity,
            entity_id=row.entity_id,
            detail=json.loads(row.detail),
        )
        for row in rows
    ]
