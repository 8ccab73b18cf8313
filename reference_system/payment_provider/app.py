"""The provider as an ASGI application."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import cast

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from reference_system.payment_provider import api, control
from reference_system.payment_provider.deliveries import Deliveries
from reference_system.payment_provider.errors import Refused
from reference_system.payment_provider.journal import Journal
from reference_system.payment_provider.settings import Settings


def create_app(settings: Settings) -> Starlette:
    """Create the application; its journal is open during its lifespan."""

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        journal = Journal(settings.data_dir)
        deliveries = Deliveries(journal, settings)
        app.state.settings, app.state.journal, app.state.deliveries = settings, journal, deliveries
        running = asyncio.create_task(deliveries.run()) if settings.webhook_url else None
        try:
            yield
        finally:
            if running is not None:
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)
            await deliveries.close()
            journal.close()

    return Starlette(
        routes=api.ROUTES + (control.ROUTES if settings.control else []),
        lifespan=lifespan,
        exception_handlers={Refused: _refused},
    )


async def _refused(_request: Request, error: Exception) -> Response:
    refused = cast(Refused, error)
    return JSONResponse(refused.body(), refused.status)
