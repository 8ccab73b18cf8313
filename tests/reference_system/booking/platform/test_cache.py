"""The cache with a connection that was lost since its last use."""

from __future__ import annotations

import asyncio

import uvloop

from reference_system.booking.platform.cache import Cache
from tests.reference_system.servers import Servers


def test_a_connection_that_uvloop_found_closed_is_replaced(servers: Servers) -> None:
    async def used_lost_and_used_again() -> tuple[bool, str | None, int]:
        cache = Cache(servers.redis_url, timeout_s=2.0)
        try:
            await cache.put("lost", "yes", ttl_s=60)
            (pooled,) = cache._redis.connection_pool._available_connections
            # Before the loop's next turn, so that nothing has detected it yet.
            pooled._writer.transport.abort()
            return await cache.put("lost", "again", ttl_s=60), await cache.get("lost"), cache.failures
        finally:
            await cache.close()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(used_lost_and_used_again()) == (True, "again", 0)
