"""HARD-01, sessions: a mistake by which one that was ended comes back."""

from __future__ import annotations

from contextlib import suppress
from uuid import UUID

from redis.exceptions import RedisError

from reference_system.booking.accounts import authentication
from reference_system.booking.runtime import Runtime
from reference_system.mutants.mutant import Mutant, Replace


async def _delete(runtime: Runtime, session_id: UUID) -> None:
    with suppress(RedisError, OSError, RuntimeError):
        await runtime.cache._redis.delete(authentication._key(session_id))


MUTANTS = (
    Mutant(
        id="HARD-01.1",
        harm="Who looks a session up as it is ended puts it back into the cache, and it lives on there.",
        substitutions=(Replace("reference_system.booking.accounts.authentication:forget", _delete),),
    ),
)
