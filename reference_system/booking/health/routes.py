"""`GET /health/live`, `GET /health/ready` and `GET /metrics`."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel

from reference_system.booking.platform.db_errors import DatabaseFailed
from reference_system.booking.platform.runtime import HasRuntime, Runtime

router = APIRouter(tags=["health"])

ASK_DATABASE = "SELECT 1 AS alive"


class Alive(BaseModel):
    status: Literal["alive"] = "alive"


class Readiness(BaseModel):
    """`degraded`: serving, but without Redis (slower, nothing else)."""

    status: Literal["ready", "degraded", "unready"]
    checks: dict[str, str]


@router.get("/health/live")
async def live() -> Alive:
    """The process runs and answers."""
    return Alive()


@router.get("/health/ready", responses={503: {"model": Readiness, "description": "It cannot serve now"}})
async def ready(runtime: HasRuntime, response: Response) -> Readiness:
    """Whether requests can be served, with what each dependency says."""
    readiness = await check(runtime)
    if readiness.status == "unready":
        response.status_code = 503
    return readiness


async def check(runtime: Runtime) -> Readiness:
    """Ask the database and Redis, each within its own time-out."""
    checks = {"database": "ok", "redis": "ok", "operator": "ok" if runtime.ready else "missing"}
    try:
        await runtime.database.first(ASK_DATABASE)
    except DatabaseFailed as error:
        checks["database"] = str(error)
    if not await runtime.cache.answers():
        checks["redis"] = "down"
    if checks["database"] != "ok" or not runtime.ready:
        return Readiness(status="unready", checks=checks)
    return Readiness(status="ready" if checks["redis"] == "ok" else "degraded", checks=checks)


@router.get("/metrics", response_class=Response)
async def metrics(runtime: HasRuntime) -> Response:
    """The metrics of this process in Prometheus's text format."""
    return Response(runtime.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")
