"""The application: the routes, jobs and error handlers of every domain, and the lifespan of a process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager

from fastapi import FastAPI

from reference_system.booking.platform import domains, error_handlers, jobs, openapi, problems
from reference_system.booking.platform.metrics import Metrics
from reference_system.booking.platform.middleware import Observing
from reference_system.booking.platform.runtime import Runtime
from reference_system.booking.platform.settings import Settings


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
    domains.register_jobs()
    for router in domains.routers(settings):
        app.include_router(router)
    app.add_middleware(Observing, metrics=metrics)
    error_handlers.install(app)
    openapi.complete(app)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    settings: Settings = app.state.settings
    async with AsyncExitStack() as exits:
        runtime = Runtime(settings, app.state.metrics)
        exits.push_async_callback(runtime.close)
        app.state.runtime = runtime
        for start in domains.starts():
            exits.enter_context(_running(start(runtime)))
        if settings.timers:
            await exits.enter_async_context(jobs.timers(runtime))
        yield


@contextmanager
def _running(work: Awaitable[None]) -> Iterator[None]:
    """Run `work` in the background while the block runs; cancel it at the end."""
    task = asyncio.ensure_future(work)
    try:
        yield
    finally:
        task.cancel()
