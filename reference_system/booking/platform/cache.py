"""A cache in Redis; the service is correct without it, but slower.

Redis holds no durable state. When it is down, slow or faulty, a read finds nothing and a write reports
its failure; both end within `redis_timeout_s`, and for a moment after a failure reads skip Redis, so that
a dead Redis does not cost every request a timeout.
"""

from __future__ import annotations

import asyncio
import time

import structlog
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

REST_S = 1.0
"""How long reads skip Redis after a failure."""

# A connection was reset since its last use: uvloop raises RuntimeError on a write to it.
_LOST = (RedisConnectionError, RuntimeError)
_FAILURES = (RedisError, OSError, TimeoutError, RuntimeError)

_log = structlog.get_logger(__name__)


class Cache:
    """Small values by key, each with a time to live.

    Args:
        url: of the Redis server.
        timeout_s: bounds each operation as a whole, connecting included.
    """

    def __init__(self, url: str, *, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._resting_until = 0.0
        self.failures = 0
        self._redis: Redis = Redis.from_url(
            url,
            decode_responses=True,
            socket_timeout=timeout_s,
            socket_connect_timeout=timeout_s,
            # A pooled connection may have been closed: retry once, at once, on a new one.
            retry=Retry(NoBackoff(), 1, supported_errors=_LOST),  # type: ignore[arg-type]  # its hint is narrower than what it does
            protocol=2,
            driver_info=None,
        )

    async def get(self, key: str) -> str | None:
        """Return the value; None without one or if Redis does not answer."""
        if time.monotonic() < self._resting_until:
            return None
        try:
            async with asyncio.timeout(self._timeout_s):
                value = await self._redis.get(key)
                return None if value is None else str(value)
        except _FAILURES as error:
            self._failed("get", error)
            return None

    async def put(self, key: str, value: str, *, ttl_s: float, unless_there: bool = False) -> bool:
        """Store a value for `ttl_s` seconds; `unless_there` keeps an existing one. False: Redis failed."""
        if unless_there and time.monotonic() < self._resting_until:
            return False
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._redis.set(key, value, px=max(1, int(ttl_s * 1000)), nx=unless_there)
                return True
        except _FAILURES as error:
            self._failed("put", error)
            return False

    async def answers(self) -> bool:
        """Whether Redis answers now."""
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._redis.ping()
                return True
        except _FAILURES:
            return False

    def _failed(self, operation: str, error: BaseException) -> None:
        self.failures += 1
        self._resting_until = time.monotonic() + REST_S
        _log.warning("redis-failed", operation=operation, error=repr(error))

    async def close(self) -> None:
        await self._redis.aclose()
