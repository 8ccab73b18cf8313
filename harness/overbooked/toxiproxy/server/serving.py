"""Runs the server: its API and all its proxies, in the current event loop."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from overbooked.toxiproxy.server import http
from overbooked.toxiproxy.server.addresses import join
from overbooked.toxiproxy.server.api import Api
from overbooked.toxiproxy.server.collection import Collection
from overbooked.toxiproxy.server.metrics import Metrics

# The time limit, in seconds, for stopping all proxies at the end.
_CLOSE_S = 1.0


@asynccontextmanager
async def serving(
    host: str, port: int, *, seed: int, metrics: Metrics | None = None
) -> AsyncIterator[tuple[str, Collection]]:
    """Serve until the block ends; yields the API's address, `host:port`, and the proxies.

    Args:
        port: 0 selects a free port.
        seed: the seed of all randomness.
        metrics: the metrics to collect; none by default.

    Raises:
        OSError: the address cannot be listened on.
    """
    collection = Collection(seed, metrics or Metrics())
    async with http.listening(Api(collection).answer, host, port) as found:
        try:
            yield join(*found), collection
        finally:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_CLOSE_S):
                    for proxy in collection.proxies.values():
                        await proxy.stop()
