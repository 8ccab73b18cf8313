"""`/_control`: served only where `BOOKING_CONTROL` allows it, and to anybody who can reach it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from reference_system.booking import jobs
from reference_system.booking.clock import real_now
from reference_system.booking.control import store
from reference_system.booking.db import UnitOfWork
from reference_system.booking.problems import NOT_FOUND, Problem, responses
from reference_system.booking.runtime import HasRuntime

router = APIRouter(prefix="/_control", tags=["control"])

YEARS_S = 100 * 366 * 86_400.0


class ClockOffset(BaseModel):
    """How far the clock is to be ahead of real time, absolutely, in seconds."""

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
    """What time the service thinks it is."""
    offset_s = await runtime.clock.offset_s()
    return ClockReading(now=real_now() + timedelta(seconds=offset_s), offset_s=offset_s)


@router.get("/jobs")
async def list_jobs() -> list[str]:
    """The jobs there are."""
    return jobs.names()


@router.post("/jobs/{name}", responses=responses(NOT_FOUND))
async def run_job(name: str, runtime: HasRuntime) -> dict[str, Any]:
    """Run one job once, to its end; answers with its report."""
    if name not in jobs.names():
        raise Problem(NOT_FOUND, f"There is no job {name!r}.", jobs=jobs.names())
    return await jobs.run(name, runtime)


@router.get("/counters")
async def counters(runtime: HasRuntime) -> dict[str, float]:
    """What this process has counted since it started, and its pool's state now."""
    return runtime.metrics.counters() | {
        "db_connections_open": float(runtime.database.connections_open()),
        "db_connections_in_use": float(runtime.database.connections_in_use()),
        "cache_failures": float(runtime.cache.failures),
    }
