"""Sessions: logging in, rotating refresh tokens, and ending."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from reference_system.booking.accounts import authentication, passwords, store, tokens
from reference_system.booking.accounts.authentication import Caller
from reference_system.booking.audit import store as audit
from reference_system.booking.platform.db import UnitOfWork
from reference_system.booking.platform.problems import NOT_FOUND, Kind, Problem
from reference_system.booking.platform.runtime import Runtime

WRONG_CREDENTIALS = Kind("wrong-credentials", 401, "E-mail address or password is wrong")
REFRESH_REFUSED = Kind("refresh-refused", 401, "The refresh token cannot be used: log in")
REFRESH_REUSED = Kind("refresh-reused", 401, "The refresh token was used before: its session is ended")


@dataclass(frozen=True, slots=True)
class Grant:
    """The tokens of a session."""

    session_id: UUID
    access_token: str
    refresh_token: str
    expires_in_s: float


async def log_in(runtime: Runtime, *, email: str, password: str, now: datetime) -> Grant:
    """Begin a session; raises Problem (401) without saying which input was wrong."""
    found = await store.find_by_email(runtime.database, email)
    password_hash = found.password_hash if found else None
    cost = runtime.settings.argon2_cost
    if not await passwords.matches(password, password_hash, cost=cost) or found is None:
        raise Problem(WRONG_CREDENTIALS)
    customer_id: UUID = found.id
    session_id = uuid4()
    refresh = tokens.refresh_token()

    async def begin(uow: UnitOfWork) -> None:
        await store.add_session(uow, session_id=session_id, customer_id=customer_id, now=now)
        await _keep(uow, runtime, session_id, refresh, now)

    await runtime.database.run(begin)
    return _grant(runtime, customer_id, session_id, refresh, now)


async def refresh(runtime: Runtime, *, refresh_token: str, now: datetime) -> Grant:
    """Exchange a refresh token for a new pair.

    A token that was used before may have been stolen, so its session is ended. Raises Problem (401).
    """
    token_hash = tokens.hash_of(refresh_token)
    successor = tokens.refresh_token()

    async def rotate(uow: UnitOfWork) -> tuple[UUID, UUID, bool]:
        token = await store.lock_refresh_token(uow, token_hash)
        if token is None or token.revoked_at is not None or now >= token.expires_at:
            raise Problem(REFRESH_REFUSED)
        if token.used_at is not None:
            await _end(uow, session_id=token.session_id, actor=audit.SYSTEM, why="refresh reused", now=now)
            return token.customer_id, token.session_id, False
        await store.use_refresh_token(uow, token_id=token.id, now=now)
        await _keep(uow, runtime, token.session_id, successor, now)
        return token.customer_id, token.session_id, True

    customer_id, session_id, rotated = await runtime.database.run(rotate)
    if not rotated:
        await authentication.forget(runtime, session_id)
        raise Problem(REFRESH_REUSED)
    return _grant(runtime, customer_id, session_id, successor, now)


async def end(runtime: Runtime, *, session_id: UUID, by: Caller, now: datetime) -> None:
    """End a session of the caller (an operator: any session); repeating it has no effect.

    Raises Problem (404) for an unknown session and for another customer's.
    """
    session = await store.read_session(runtime.database, session_id)
    if session is None or (session.customer_id != by.customer_id and not by.is_operator):
        raise Problem(NOT_FOUND)

    async def revoke(uow: UnitOfWork) -> None:
        await _end(uow, session_id=session_id, actor=by.customer_id, why="ended", now=now)

    await runtime.database.run(revoke)
    await authentication.forget(runtime, session_id)


async def end_all(runtime: Runtime, *, customer_id: UUID, now: datetime) -> int:
    """End every session of a customer; returns the number of sessions that were active."""

    async def revoke(uow: UnitOfWork) -> list[UUID]:
        ended = await store.revoke_all_sessions(uow, customer_id=customer_id, now=now)
        for session_id in ended:
            await _audit_end(uow, session_id=session_id, actor=customer_id, why="all ended", now=now)
        return ended

    ended = await runtime.database.run(revoke)
    for session_id in ended:
        await authentication.forget(runtime, session_id)
    return len(ended)


async def _end(uow: UnitOfWork, *, session_id: UUID, actor: UUID | str, why: str, now: datetime) -> None:
    if await store.revoke_session(uow, session_id=session_id, now=now):
        await _audit_end(uow, session_id=session_id, actor=actor, why=why, now=now)


async def _audit_end(
    uow: UnitOfWork, *, session_id: UUID, actor: UUID | str, why: str, now: datetime
) -> None:
    await audit.record(
        uow, at=now, actor=actor, action="session-ended", entity="session", entity_id=session_id, why=why
    )


async def _keep(uow: UnitOfWork, runtime: Runtime, session_id: UUID, token: str, now: datetime) -> None:
    await store.add_refresh_token(
        uow,
        token_id=uuid4(),
        session_id=session_id,
        token_hash=tokens.hash_of(token),
        expires_at=now + timedelta(seconds=runtime.settings.refresh_ttl_s),
    )


def _grant(runtime: Runtime, customer_id: UUID, session_id: UUID, refresh_token: str, now: datetime) -> Grant:
    ttl_s = runtime.settings.access_ttl_s
    access = tokens.access_token(
        customer_id=customer_id,
        session_id=session_id,
        now=now,
        ttl_s=ttl_s,
        secret=runtime.settings.jwt_secret,
    )
    return Grant(session_id, access, refresh_token, ttl_s)
