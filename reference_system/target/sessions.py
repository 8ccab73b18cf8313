"""Customers and their sessions."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial

from overbooked.capabilities.sessions import SESSIONS
from overbooked.targets.adapter import Account
from reference_system.target.clock_and_jobs import ServiceClock
from reference_system.target.connections import Connections, Session
from reference_system.target.http_client import HttpClient, RefusedError
from reference_system.target.parts import offers

PASSWORD = "a long enough password"  # noqa: S105 - of generated customers
AT_ONCE = 8
# Tokens that are asked for if one expires before it is used.
TRIES = 3


@offers(SESSIONS)
class CustomerSessions:
    """Registers customers, logs them in, and ends their sessions."""

    endings: Sequence[str] = (
        "access token expired",
        "ended by the operator",
        "logged out in another tab",
        "ended from another device",
        "logged out everywhere",
        "refresh token used twice",
    )

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    async def customers(self, names: Sequence[tuple[str, str]]) -> list[Account]:
        """Register and log in one customer per (name, email), several at a time, over all replicas."""
        turns = asyncio.Semaphore(AT_ONCE)

        async def one(n: int, name: str, email: str) -> Account:
            app = self._connections.apps[n % len(self._connections.apps)]
            async with turns:
                return await self._registered(app, name, email)

        return list(await asyncio.gather(*(one(n, *who) for n, who in enumerate(names))))

    async def _registered(self, app: HttpClient, name: str, email: str) -> Account:
        session = Session(PASSWORD)
        account = await app.call(
            "POST", "/accounts", {"name": name, "email": email, "password": session.password}
        )
        await self._connections.log_in(email, session, app=app)
        return Account(name=name, email=email, id=str(account["id"]), session=session)

    async def log_in(self, who: Account) -> None:
        """Log in again."""
        session = Session(_session(who).password)
        await self._connections.log_in(who.email, session)
        who.session = session

    async def expire_access(self, who: Account) -> None:
        """Move the clock past the expiry of the access token; holds and price locks expire later."""
        left_s = expires_at(who) - self._connections.now()
        if left_s > -1:
            await ServiceClock(self._connections).advance(left_s + 1)

    async def revoke_session(self, who: Account) -> None:
        """End the session, as the operator."""
        await self._connections.as_operator("DELETE", f"/sessions/{_session(who).id}")

    async def staff(self) -> Sequence[Account]:
        """Log in the operator, with a session of its own."""
        email = self._connections.setting("operator_email")
        operator = Account("Operator", email, session=Session(self._connections.setting("operator_password")))
        await self.log_in(operator)
        return [operator]

    async def end_session(self, who: Account, way: str) -> None:
        """End the session in one of the ways of `endings`, at the first replica."""
        app, ended = self._connections.app, _session(who)
        match way:
            case "access token expired":
                await self.expire_access(who)
            case "ended by the operator":
                await self.revoke_session(who)
            case "logged out in another tab":
                await self._deletes("/sessions/current", partial(_own_token, ended), self._refreshed(ended))
            case "ended from another device":
                await self._deletes(f"/sessions/{ended.id}", *[partial(self._other_token, who)] * TRIES)
            case "logged out everywhere":
                await self._deletes("/accounts/me/sessions", *[partial(self._other_token, who)] * TRIES)
            case "refresh token used twice":
                refresh = {"refresh_token": ended.refresh_token}
                await app.call("POST", "/sessions/refresh", refresh)
                with suppress(RefusedError):
                    await app.call("POST", "/sessions/refresh", refresh)
            case _:
                raise ValueError(f"sessions end by {', '.join(self.endings)}, not by {way!r}")

    async def _deletes(self, path: str, *tokens: Callable[[], Awaitable[str]]) -> None:
        """Delete with the first of these tokens that is accepted.

        Somebody else's session may be ended at the same moment by moving the clock, which ends the life of a
        token that was just issued.
        """
        *others, last = tokens
        for token in others:
            try:
                await self._connections.app.call("DELETE", path, token=await token())
            except RefusedError as refused:
                if refused.status != 401:
                    raise
            else:
                return
        await self._connections.app.call("DELETE", path, token=await last())

    def _refreshed(self, session: Session) -> Callable[[], Awaitable[str]]:
        """Return what refreshes a session and returns its new access token; it works once."""

        async def refresh() -> str:
            body = {"refresh_token": session.refresh_token}
            granted = await self._connections.app.call("POST", "/sessions/refresh", body)
            return str(granted["access_token"])

        return refresh

    async def _other_token(self, who: Account) -> str:
        """Return the access token of a second session of the customer."""
        other = Session(_session(who).password)
        await self._connections.log_in(who.email, other)
        return other.token


def _session(who: Account) -> Session:
    session = who.session
    if not isinstance(session, Session):
        raise TypeError(f"{who.name} has no session of this system")
    return session


async def _own_token(session: Session) -> str:
    return session.token


def token_of(who: Account) -> str:
    """Return the access token of a customer's session."""
    return _session(who).token


def expires_at(who: Account) -> float:
    """Return when the access token of a customer's session expires, by the service's clock."""
    return _session(who).expires_at
