"""`/reconciliation/runs`."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel

from reference_system.booking.accounts import authentication
from reference_system.booking.accounts.authentication import HasOperator
from reference_system.booking.platform.problems import FORBIDDEN, NOT_FOUND, Problem, responses
from reference_system.booking.platform.runtime import HasRuntime
from reference_system.booking.reconciliation import store

router = APIRouter(prefix="/reconciliation/runs", tags=["reconciliation"])


class Run(BaseModel):
    """`finished_at` is missing while it runs, or when it was interrupted and not yet taken up."""

    id: UUID
    started_at: datetime
    finished_at: datetime | None
    examined: int


class Finding(BaseModel):
    """`subject` is a checkout where there is one, else a hold or an intent of the provider."""

    kind: str
    subject: str
    action: str
    detail: dict[str, Any]


class RunWithFindings(Run):
    findings: list[Finding]


@router.get("", responses=responses(*authentication.KINDS, FORBIDDEN))
async def list_runs(
    operator: HasOperator, runtime: HasRuntime, limit: Annotated[int, Query(ge=1, le=100)] = 20
) -> list[Run]:
    """The latest runs, latest first. For operators."""
    return [
        Run.model_validate(row, from_attributes=True)
        for row in await store.runs(runtime.database, limit=limit)
    ]


@router.get("/{run_id}", responses=responses(*authentication.KINDS, FORBIDDEN, NOT_FOUND))
async def read_run(run_id: UUID, operator: HasOperator, runtime: HasRuntime) -> RunWithFindings:
    """One run and what it found. For operators."""
    row = await store.read_run(runtime.database, run_id)
    if row is None:
        raise Problem(NOT_FOUND)
    return RunWithFindings(
        id=row.id,
        started_at=row.started_at,
        finished_at=row.finished_at,
        examined=row.examined,
        findings=[
            Finding(
                kind=finding.kind,
                subject=finding.subject,
                action=finding.action,
                detail=json.loads(finding.detail),
            )
            for finding in await store.findings(runtime.database, run_id)
        ],
    )
