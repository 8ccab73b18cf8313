"""The application: its parts, its lifespan, its errors."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import Any

from fastapi import FastAPI

from reference_system.booking import failures, jobs, openapi, parts, problems
from reference_system.booking.accounts import service as accounts
from reference_system.booking.metrics import Metrics
from reference_system.booking.observing import Observing
from reference_system.booking.runtime import Runtime
from reference_system.booking.settings import Settings


def create_app(settings: Settings | None = None) -> FastAPI:
    """The service as an ASGI application; without `settings` they come from the environment."""
    settings = settings or Settings()  # type: ignore[call-arg]  # from the environment
    metrics = Metrics()
    app = FastAPI(
        title="Booking",
        version="1.0.0",
        summary="Bookable places, sold once.",
        lifespan=_lifespan,
        generate_unique_id_function=openapi.operation_id,
        responses=problems.responses(problems.INVALID_REQUEST, *problems.UNCERTAIN),
    )
    app.state.settings = settings
    app.state.metrics = metrics
    for module in parts.JOBS:
        importlib.import_module(module)
    for module in parts.ROUTES + (parts.CONTROL_ROUTES if settings.control else ()):
        app.include_router(importlib.import_module(module).router)
    app.add_middleware(Observing, metrics=metrics)
    failures.install(app)
    openapi.complete(app)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    settings: Settings = app.state.settings
    async with AsyncExitStack() as exits:
        runtime = Runtime(settings, app.state.metrics)
        exits.push_async_callback(runtime.close)
        app.state.runtime = runtime
        exits.enter_context(_running(accounts.ensure_operator(runtime)))
        if settings.timers:
            await exits.enter_async_context(jobs.timers(runtime))
        yield


@contextmanager
def _running(work: Coroutine[Any, Any, None]) -> Iterator[None]:
    """Have `work` go on in the background while the block runs."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
