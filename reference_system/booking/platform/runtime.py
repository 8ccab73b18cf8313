"""The state of one process of the service, for routes and jobs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import datetime
from typing import Annotated, Any, TypeVar, cast

from fastapi import Depends, Request

from reference_system.booking.platform.cache import Cache
from reference_system.booking.platform.clock import Clock
from reference_system.booking.platform.db import Database
from reference_system.booking.platform.metrics import Metrics
from reference_system.booking.platform.settings import Settings

T = TypeVar("T")


class Runtime:
    """Settings, connections and clock of this process; durable state is in the database only.

    A domain with a connection of its own (the provider's client) stores it here with `resource`.
    """

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self.settings = settings
        self.metrics = metrics
        self.database = Database(settings)
        self.cache = Cache(settings.redis_url, timeout_s=settings.redis_timeout_s)
        self.clock = Clock(self.database, controlled=settings.control)
        self._ready = asyncio.Event()
        self._resources: dict[str, Any] = {}
        self._exits = AsyncExitStack()
        self._exits.push_async_callback(self.database.close)
        self._exits.push_async_callback(self.cache.close)

    def resource(self, name: str, make: Callable[[], T], close: Callable[[T], Awaitable[object]]) -> T:
        """Return the resource of that name, created by the first call and closed with the process."""
        if name not in self._resources:
            made = make()
            self._resources[name] = made
            self._exits.push_async_callback(close, made)
        return cast(T, self._resources[name])

    @property
    def ready(self) -> bool:
        """Whether start-up has finished."""
        return self._ready.is_set()

    def is_ready(self) -> None:
        """Mark start-up as finished."""
        self._ready.set()

    async def until_ready(self) -> None:
        await self._ready.wait()

    async def close(self) -> None:
        await self._exits.aclose()


async def of_request(request: Request) -> Runtime:
    """Return the process's runtime, for routes. A coroutine, because FastAPI runs functions in a thread."""
    return cast(Runtime, request.app.state.runtime)


async def now_of_request(runtime: Annotated[Runtime, Depends(of_request)]) -> datetime:
    """Return the service's time, read once per request."""
    return await runtime.clock.now()


HasRuntime = Annotated[Runtime, Depends(of_request)]
HasNow = Annotated[datetime, Depends(now_of_request)]
