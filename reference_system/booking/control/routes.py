"""`/_control`: served only with `BOOKING_CONTROL`, without authentication."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from reference_system.booking.control import store
from reference_system.booking.platform import jobs
from reference_system.booking.platform.clock import real_now
from reference_system.booking.platform.db import UnitOfWork
from reference_system.booking.platform.problems import NOT_FOUND, Problem, responses
from reference_system.booking.platform.runtime import HasRuntime
from reference_system.booking.platform.settings import Settings

router = APIRouter(prefix="/_control", tags=["control"])


def is_served(settings: Settings) -> bool:
    """Whether the control plane is on."""
    return settings.control


YEARS_S = 100 * 366 * 86_400.0


class ClockOffset(BaseModel):
    """The offset of the clock from real time, in seconds (absolute, not a step)."""

    model_config = ConfigDict(extra="forbid")

    offset_s: Annotated[float, Field(ge=-YEARS_S, le=YEARS_S)]


class ClockReading(BaseModel):
    now: datetime
    offset_s: float


@router.post("/clock")
async def move_clock(to: ClockOffset, runtime: HasRuntime) -> ClockReading:
    """Move the clock of every process on this database."""

    async def work(uow: UnitOfWork) -> None:
        await store.move_clock(uow, to.offset_s)

    await runtime.database.run(work)
    return await read_clock(runtime)


@router.get("/clock")
async def read_clock(runtime: HasRuntime) -> ClockReading:
    """The service's time."""
    offset_s = await runtime.clock.offset_s()
    return ClockReading(now=real_now() + timedelta(seconds=offset_s), offset_s=offset_s)


@router.get("/jobs")
async def list_jobs() -> list[str]:
    """The names of the jobs."""
    return jobs.names()


@router.post("/jobs/{name}", responses=responses(NOT_FOUND))
async def run_job(name: str, runtime: HasRuntime) -> dict[str, Any]:
    """Run one job once, to its end; answers with its report."""
    if name not in jobs.names():
        raise Problem(NOT_FOUND, f"There is no job {name!r}.", jobs=jobs.names())
    return await jobs.run(name, runtime)


@router.get("/counters")
async def counters(runtime: HasRuntime) -> dict[str, float]:
    """The counters of this process since its start, and the state of its pool."""
    return runtime.metrics.counters() | {
        "db_connections_open": float(runtime.database.connections_open()),
        "db_connections_in_use": float(runtime.database.connections_in_use()),
        "cache_failures": float(runtime.cache.failures),
    }
