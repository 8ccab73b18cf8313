"""The application: its parts, its lifespan, its errors."""

from __future__ import annotations

import importlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from fastapi import FastAPI

from reference_system.booking import failures, jobs, parts, problems
from reference_system.booking.runtime import Runtime
from reference_system.booking.settings import Settings


def create_app(settings: Settings | None = None) -> FastAPI:
    """The service as an ASGI application; without `settings` they come from the environment."""
    settings = settings or Settings()  # type: ignore[call-arg]  # from the environment
    app = FastAPI(
        title="Booking",
        version="1.0.0",
        summary="Bookable places, sold once.",
        lifespan=_lifespan,
        responses=problems.responses(problems.INVALID_REQUEST, problems.UNAVAILABLE, problems.INTERNAL),
    )
    app.state.settings = settings
    for module in parts.JOBS:
        importlib.import_module(module)
    for module in parts.ROUTES + (parts.CONTROL_ROUTES if settings.control else ()):
        app.include_router(importlib.import_module(module).router)
    failures.install(app)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    settings: Settings = app.state.settings
    async with AsyncExitStack() as exits:
        runtime = Runtime(settings)
        exits.push_async_callback(runtime.close)
        app.state.runtime = runtime
        if settings.timers:
            await exits.enter_async_context(jobs.timers(runtime))
        yield
