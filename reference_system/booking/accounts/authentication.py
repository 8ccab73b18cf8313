"""Who is calling: the access token, the clock, and whether its session still lives.

The validity of sessions is cached in Redis for a few seconds. Revoking overwrites the entry, and
filling it never overwrites: a reader who was slower than the revocation cannot bring a session back.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Depends
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from reference_system.booking.accounts import store, tokens
from reference_system.booking.problems import FORBIDDEN, Kind, Problem
from reference_system.booking.runtime import HasNow, HasRuntime, Runtime

UNAUTHENTICATED = Kind("unauthenticated", 401, "Log in first")
TOKEN_EXPIRED = Kind("token-expired", 401, "The access token has expired: refresh it or log in")
SESSION_ENDED = Kind("session-ended", 401, "The session was ended: log in afresh")

KINDS = (UNAUTHENTICATED, TOKEN_EXPIRED, SESSION_ENDED)
"""What every route with a caller may answer."""

_CHALLENGE = {"WWW-Authenticate": "Bearer"}
_REVOKED = "revoked"


@dataclass(frozen=True, slots=True)
class Caller:
    """The customer behind a request."""

    customer_id: UUID
    session_id: UUID
    is_operator: bool


async def authenticate(runtime: Runtime, token: str | None, now: datetime) -> Caller:
    """The caller that an access token names; raises Problem (401)."""
    claims = tokens.read_access(token, secret=runtime.settings.jwt_secret) if token else None
    if claims is None:
        raise Problem(UNAUTHENTICATED, headers=_CHALLENGE)
    if tokens.has_expired(claims, now):
        raise Problem(TOKEN_EXPIRED, headers=_CHALLENGE)
    caller = await live_session(runtime, claims.session_id)
    if caller is None:
        raise Problem(SESSION_ENDED, headers=_CHALLENGE)
    return caller


async def live_session(runtime: Runtime, session_id: UUID) -> Caller | None:
    """The session's caller while it lives: from the cache if that knows, else from the database."""
    cached = await runtime.cache.get(_key(session_id))
    if cached == _REVOKED:
        return None
    caller = _uncached(cached, session_id)
    if caller is not None:
        return caller
    row = await store.read_session(runtime.database, session_id)
    if row is None or row.revoked_at is not None:
        return None
    caller = Caller(row.customer_id, session_id, row.is_operator)
    await runtime.cache.put(
        _key(session_id), _cached(caller), ttl_s=runtime.settings.session_cache_ttl_s, unless_there=True
    )
    return caller


async def forget(runtime: Runtime, session_id: UUID) -> None:
    """Make every process refuse a session that was revoked, as soon as Redis can tell them."""
    await runtime.cache.put(_key(session_id), _REVOKED, ttl_s=runtime.settings.access_ttl_s)


def _key(session_id: UUID) -> str:
    return f"session:{session_id}"


def _cached(caller: Caller) -> str:
    return f"{caller.customer_id} {'operator' if caller.is_operator else 'customer'}"


def _uncached(value: str | None, session_id: UUID) -> Caller | None:
    customer_id, _, role = (value or "").partition(" ")
    try:
        return Caller(UUID(customer_id), session_id, role == "operator")
    except ValueError:
        return None


# -- for routes -----------------------------------------------------------------------------------

_bearer = HTTPBearer(auto_error=False, bearerFormat="JWT", description="An access token of POST /sessions")


async def _caller(
    runtime: HasRuntime,
    now: HasNow,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
) -> Caller:
    return await authenticate(runtime, credentials.credentials if credentials else None, now)


async def _operator(caller: Annotated[Caller, Depends(_caller)]) -> Caller:
    if not caller.is_operator:
        raise Problem(FORBIDDEN)
    return caller


HasCaller = Annotated[Caller, Depends(_caller)]
HasOperator = Annotated[Caller, Depends(_operator)]
"""Route parameters: whoever is logged in, and an operator who is."""
