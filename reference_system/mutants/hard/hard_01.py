"""HARD-01, sessions: an ended session comes back."""

from __future__ import annotations

from contextlib import suppress
from uuid import UUID

from redis.exceptions import RedisError

from reference_system.booking.accounts import authentication
from reference_system.booking.platform.runtime import Runtime
from reference_system.mutants.mutant import Mutant

deleted_from_cache = Mutant(
    "HARD-01.1",
    "A request that reads a session while it is ended writes it back to the cache, where it stays valid.",
)


@deleted_from_cache.replace(authentication.forget)
async def delete(runtime: Runtime, session_id: UUID) -> None:
    with suppress(RedisError, OSError, RuntimeError):
        await runtime.cache._redis.delete(authentication._key(session_id))
