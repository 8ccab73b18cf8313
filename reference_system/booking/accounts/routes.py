"""`/accounts` and `/sessions`."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from reference_system.booking.accounts import authentication, passwords, service, sessions
from reference_system.booking.accounts.authentication import HasCaller
from reference_system.booking.platform.db import UnitOfWork
from reference_system.booking.platform.problems import NOT_FOUND, responses
from reference_system.booking.platform.runtime import HasNow, HasRuntime

router = APIRouter(tags=["accounts"])

Email = Annotated[str, Field(max_length=254, pattern=r"^[^@\s]+@[^@\s]+$"), AfterValidator(str.lower)]
Password = Annotated[str, Field(min_length=8, max_length=128)]


class NewAccount(BaseModel):
    model_config = ConfigDict(extra="forbid")

    email: Email
    name: Annotated[str, Field(min_length=1, max_length=200)]
    password: Password


class Account(BaseModel):
    id: UUID


class Credentials(BaseModel):
    model_config = ConfigDict(extra="forbid")

    email: Email
    password: str


class RefreshToken(BaseModel):
    model_config = ConfigDict(extra="forbid")

    refresh_token: str


class SessionGrant(BaseModel):
    """`access_token` is a bearer token; `refresh_token` can be exchanged once."""

    session_id: UUID
    access_token: str
    refresh_token: str
    expires_in_s: float
    token_type: str = "Bearer"  # noqa: S105 - the scheme's name


@router.post("/accounts", status_code=201, responses=responses(service.EMAIL_TAKEN))
async def register(new: NewAccount, runtime: HasRuntime, now: HasNow) -> Account:
    """Open an account."""
    password_hash = await passwords.hashed(new.password, cost=runtime.settings.argon2_cost)

    async def work(uow: UnitOfWork) -> UUID:
        return await service.register(
            uow, email=new.email, name=new.name, password_hash=password_hash, now=now
        )

    return Account(id=await runtime.database.run(work))


@router.post("/sessions", status_code=201, responses=responses(sessions.WRONG_CREDENTIALS))
async def log_in(credentials: Credentials, runtime: HasRuntime, now: HasNow) -> SessionGrant:
    """Log in: begin a session."""
    grant = await sessions.log_in(runtime, email=credentials.email, password=credentials.password, now=now)
    return _granted(grant)


@router.post(
    "/sessions/refresh",
    status_code=201,
    responses=responses(sessions.REFRESH_REFUSED, sessions.REFRESH_REUSED),
)
async def refresh(token: RefreshToken, runtime: HasRuntime, now: HasNow) -> SessionGrant:
    """Exchange a refresh token, once, for a new pair."""
    return _granted(await sessions.refresh(runtime, refresh_token=token.refresh_token, now=now))


@router.delete("/sessions/current", status_code=204, responses=responses(*authentication.KINDS))
async def log_out(caller: HasCaller, runtime: HasRuntime, now: HasNow) -> Response:
    """Log out: end the session of this request."""
    await sessions.end(runtime, session_id=caller.session_id, by=caller, now=now)
    return Response(status_code=204)


@router.delete("/accounts/me/sessions", status_code=204, responses=responses(*authentication.KINDS))
async def log_out_everywhere(caller: HasCaller, runtime: HasRuntime, now: HasNow) -> Response:
    """End every session of the caller, this one included."""
    await sessions.end_all(runtime, customer_id=caller.customer_id, now=now)
    return Response(status_code=204)


@router.delete(
    "/sessions/{session_id}", status_code=204, responses=responses(*authentication.KINDS, NOT_FOUND)
)
async def end_session(session_id: UUID, caller: HasCaller, runtime: HasRuntime, now: HasNow) -> Response:
    """End one session of the caller; an operator may end any session."""
    await sessions.end(runtime, session_id=session_id, by=caller, now=now)
    return Response(status_code=204)


def _granted(grant: sessions.Grant) -> SessionGrant:
    return SessionGrant(
        session_id=grant.session_id,
        access_token=grant.access_token,
        refresh_token=grant.refresh_token,
        expires_in_s=grant.expires_in_s,
    )
