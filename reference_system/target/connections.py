"""The connections that all capabilities of the reference system use: servers, database, clock, operator."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from overbooked.targets.adapter import AdapterContext
from overbooked.targets.errors import TargetError
from reference_system.target.database import Database
from reference_system.target.http_client import HttpClient, RefusedError


@dataclass(frozen=True, slots=True)
class Times:
    """The service's time settings in seconds, from the descriptor's `[adapter]` table."""

    access_ttl_s: float = 300.0
    hold_ttl_s: float = 600.0
    paying_lease_s: float = 30.0
    price_lock_ttl_s: float = 900.0
    webhook_tolerance_s: float = 300.0


@dataclass(slots=True)
class Session:
    """Tokens of a login; `expires_at` is when the access token expires, by the service's clock."""

    password: str
    token: str = field(default="", repr=False)
    refresh_token: str = field(default="", repr=False)
    id: str = ""
    expires_at: float = 0.0


class Connections:
    """The connections of one adapter, shared by the objects of its capabilities.

    `connect` opens what every scenario needs; the database connections are opened on first use.
    """

    apps: list[HttpClient]
    payments: HttpClient
    observer: Database
    # Only a superuser may switch off the triggers that keep the records consistent.
    admin: Database
    times: Times

    def __init__(self) -> None:
        self.apps = []
        self._open: list[HttpClient | Database] = []
        self._offset_s = 0.0
        self._operator: Session | None = None

    async def connect(self, context: AdapterContext) -> None:
        """Connect to service and provider, read the clock, log the operator in.

        Raises:
            TargetError: one of them does not answer, or a setting is missing.
        """
        self._settings = context.settings
        self.times = Times(
            **{name: float(self._settings[name]) for name in Times.__slots__ if name in self._settings}
        )
        apps = [name for name in sorted(context.urls) if name.split("-")[0] == "app"]
        self.apps = [HttpClient(name, context.urls[name]) for name in apps]
        self.payments = HttpClient(
            "payments",
            context.urls["payments"],
            {"Authorization": f"Bearer {self.setting('provider_key')}"},
        )
        self.observer = Database("observer", context.dsns.get("observer", ""))
        self.admin = Database("admin", context.dsns.get("admin", ""))
        self._open = [*self.apps, self.payments, self.observer, self.admin]
        await asyncio.gather(
            self.read_clock(),
            self.payments.call("POST", "/_control/deliveries", {"mode": "auto"}),
            self.payments.call("POST", "/_control/refunds/mode", {"mode": "instant"}),
        )
        await self.log_operator_in()

    async def close(self) -> None:
        """Close every connection; safe to repeat, and after a `connect` that failed."""
        while self._open:
            await self._open.pop().close()

    @property
    def app(self) -> HttpClient:
        """The first replica of the service."""
        return self.apps[0]

    def setting(self, name: str) -> str:
        """Return the value of a key of the descriptor's `[adapter]` table.

        Raises:
            TargetError: there is no such key.
        """
        if name not in self._settings:
            raise TargetError(f"the descriptor's [adapter] table lacks {name!r}")
        return str(self._settings[name])

    # -- the clock -----------------------------------------------------------------------------

    async def read_clock(self) -> float:
        """Ask the service how far its clock is ahead of real time, in seconds."""
        self._offset_s = float((await self.app.call("GET", "/_control/clock"))["offset_s"])
        return self._offset_s

    async def set_clock(self, offset_s: float) -> None:
        """Set the clocks of service and provider to this offset from real time, in seconds."""
        await asyncio.gather(
            self.app.call("POST", "/_control/clock", {"offset_s": offset_s}),
            self.payments.call("POST", "/_control/clock", {"offset_s": offset_s}),
        )
        self._offset_s = offset_s

    def now(self) -> float:
        """Return the service's time in seconds since the epoch, by the last offset read or set here."""
        return time.time() + self._offset_s

    def moment(self, from_now_s: float = 0.0) -> datetime:
        """Return the service's time `from_now_s` seconds from now, in UTC."""
        return datetime.fromtimestamp(self.now() + from_now_s, UTC)

    # -- sessions ------------------------------------------------------------------------------

    async def log_in(self, email: str, session: Session, *, app: HttpClient | None = None) -> None:
        """Log in and fill the session with its tokens."""
        granted = await (app or self.app).call(
            "POST", "/sessions", {"email": email, "password": session.password}
        )
        session.token = granted["access_token"]
        session.refresh_token = granted["refresh_token"]
        session.id = granted["session_id"]
        session.expires_at = self.now() + float(granted["expires_in_s"])

    async def log_operator_in(self) -> None:
        """Log the operator in again, e.g. after the clock was moved past the expiry of its token."""
        session = Session(self.setting("operator_password"))
        await self.log_in(self.setting("operator_email"), session)
        self._operator = session

    @property
    def operator_token(self) -> str:
        """The operator's access token."""
        return self._operator.token if self._operator else ""

    async def as_operator(self, method: str, path: str, body: Any = None) -> Any:
        """Call the service as the operator, with a new log-in if the session has ended."""
        try:
            return await self.app.call(method, path, body, token=self.operator_token)
        except RefusedError as refused:
            if refused.status != 401:
                raise
        await self.log_operator_in()
        return await self.app.call(method, path, body, token=self.operator_token)
