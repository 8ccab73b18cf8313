"""Customers and their sessions."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from overbooked.targets.adapter import Customer
from reference_system.target.direct import Direct
from reference_system.target.wiring import Session, Wiring

PASSWORD = "a long enough password"  # noqa: S105 - of people who do not exist
AT_ONCE = 8


class People(Wiring):
    """Registers, logs in, lets sessions end."""

    async def customers(self, names: Sequence[tuple[str, str]]) -> list[Customer]:
        """Register and log in one customer per (name, email), some at a time, over all replicas."""
        turns = asyncio.Semaphore(AT_ONCE)

        async def one(n: int, name: str, email: str) -> Customer:
            app = self._apps[n % len(self._apps)]
            async with turns:
                return await self._registered(app, name, email)

        return list(await asyncio.gather(*(one(n, *who) for n, who in enumerate(names))))

    async def _registered(self, app: Direct, name: str, email: str) -> Customer:
        session = Session(PASSWORD)
        account = await app.call(
            "POST", "/accounts", {"name": name, "email": email, "password": session.password}
        )
        await self._log_in(email, session, app=app)
        return Customer(name=name, email=email, id=str(account["id"]), session=session)

    async def log_in(self, who: Customer) -> None:
        """Log in afresh."""
        session = Session(_session(who).password)
        await self._log_in(who.email, session)
        who.session = session

    async def revoke_session(self, who: Customer) -> None:
        """The operator ends the session."""
        await self._as_operator("DELETE", f"/sessions/{_session(who).id}")


def _session(who: Customer) -> Session:
    session = who.session
    if not isinstance(session, Session):
        raise TypeError(f"{who.name} is no customer of this system")
    return session


def token_of(who: Customer) -> str:
    """The access token of a customer's session."""
    return _session(who).token


def expires_at(who: Customer) -> float:
    """When the access token of a customer's session expires, by the service's clock."""
    return _session(who).expires_at
