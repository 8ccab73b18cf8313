"""Authenticates callers: the access token, its expiry, and whether its session is live.

The validity of sessions is cached in Redis for a few seconds. Revocation overwrites the entry and a read
never overwrites it, so a read that started before the revocation cannot make the session valid again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Depends
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from reference_system.booking.accounts import store, tokens
from reference_system.booking.platform.problems import FORBIDDEN, Kind, Problem
from reference_system.booking.platform.runtime import HasNow, HasRuntime, Runtime

UNAUTHENTICATED = Kind("unauthenticated", 401, "Log in first")
TOKEN_EXPIRED = Kind("token-expired", 401, "The access token has expired: refresh it or log in")
SESSION_ENDED = Kind("session-ended", 401, "The session was ended: log in afresh")

KINDS = (UNAUTHENTICATED, TOKEN_EXPIRED, SESSION_ENDED)
"""Problems that every route with a caller may answer."""

_CHALLENGE = {"WWW-Authenticate": "Bearer"}
_REVOKED = "revoked"


@dataclass(frozen=True, slots=True)
class Caller:
    """The customer behind a request."""

    customer_id: UUID
    session_id: UUID
    is_operator: bool


async def authenticate(runtime: Runtime, token: str | None, now: datetime) -> Caller:
    """Return the caller of an access token; raises Problem (401)."""
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
    """Return the caller of a session from cache or database; None if the session has ended."""
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
    """Mark a revoked session in Redis, so that every process refuses it from its next read on."""
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
"""Route parameters: a caller that is logged in, and a caller that is an operator."""
