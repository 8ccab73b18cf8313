"""The registry of background jobs and the timers that run them.

A domain registers a job beside its code:

    @jobs.register("expire_holds", every_s=5)
    async def expire_holds(runtime: Runtime) -> Report: ...

A job does a bounded amount of work, may run in several processes at once, and returns a report of
plain JSON. Without timers, the control plane runs single jobs.
"""

from __future__ import annotations

import asyncio
import random
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import structlog

from reference_system.booking.platform.runtime import Runtime

Report = dict[str, Any]
Job = Callable[[Runtime], Awaitable[Report]]

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Registered:
    """The module and function of a job, and the period of its timer in seconds."""

    name: str
    module: str
    function: str
    every_s: float


_registered: dict[str, Registered] = {}


def register(name: str, *, every_s: float) -> Callable[[Job], Job]:
    """Register a module-level coroutine function as the job `name`."""

    def take(function: Job) -> Job:
        if name in _registered:
            raise LookupError(f"two jobs are called {name}")
        _registered[name] = Registered(name, function.__module__, function.__name__, every_s)
        return function

    return take


def names() -> list[str]:
    """Return the names of the registered jobs, sorted."""
    return sorted(_registered)


async def run(name: str, runtime: Runtime) -> Report:
    """Run one job once; raises LookupError for an unknown name."""
    job = _registered[name]
    function: Job = getattr(sys.modules[job.module], job.function)
    report = await function(runtime)
    _log.info("job-ran", job=name, report=report)
    return report


@asynccontextmanager
async def timers(runtime: Runtime) -> AsyncIterator[None]:
    """Run every job by its timer while the block runs."""
    stopping = asyncio.Event()
    tasks = [asyncio.create_task(_repeat(job, runtime, stopping)) for job in _registered.values()]
    try:
        yield
    finally:
        stopping.set()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _repeat(job: Registered, runtime: Runtime, stopping: asyncio.Event) -> None:
    while not stopping.is_set():
        # Spread over the period, so that several processes do not run it at the same time.
        pause_s = job.every_s * random.uniform(0.5, 1.5)
        try:
            await asyncio.wait_for(stopping.wait(), pause_s)
        except TimeoutError:
            try:
                await run(job.name, runtime)
            except Exception:
                _log.exception("job-failed", job=job.name)
