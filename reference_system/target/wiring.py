"""What all groups of verbs stand on: servers, the database, the clock and the operator's session."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from overbooked.targets.adapter import Surroundings
from overbooked.targets.errors import TargetFailed
from reference_system.target.database import Database
from reference_system.target.direct import Direct, Refused


@dataclass(frozen=True, slots=True)
class Times:
    """The service's own settings, in seconds, as the descriptor's `[adapter]` table repeats them."""

    access_ttl_s: float = 300.0
    hold_ttl_s: float = 600.0
    paying_lease_s: float = 30.0
    price_lock_ttl_s: float = 900.0
    webhook_tolerance_s: float = 300.0


@dataclass(slots=True)
class Session:
    """Tokens of a login; `expires_at` is when the access token does, by the service's clock."""

    password: str
    token: str = field(default="", repr=False)
    id: str = ""
    expires_at: float = 0.0


class Wiring:
    """Connections of one adapter. `connect` opens what every scenario needs, the rest opens on use."""

    def __init__(self) -> None:
        self._apps: list[Direct] = []
        self._open: list[Direct | Database] = []
        self._offset_s = 0.0
        self._operator: Session | None = None

    async def connect(self, surroundings: Surroundings) -> None:
        """Reach service and provider, read the clock, log the operator in.

        Raises:
            TargetFailed: one of them does not answer, or a setting is missing.
        """
        self._settings = surroundings.settings
        self._times = Times(
            **{name: float(self._settings[name]) for name in Times.__slots__ if name in self._settings}
        )
        apps = [name for name in sorted(surroundings.urls) if name.split("-")[0] == "app"]
        self._apps = [Direct(name, surroundings.urls[name]) for name in apps]
        self._provider = Direct(
            "provider",
            surroundings.urls["provider"],
            {"Authorization": f"Bearer {self._setting('provider_key')}"},
        )
        self._observer = Database("observer", surroundings.dsns.get("observer", ""))
        # Only a superuser may switch off what keeps the books in order.
        self._forger = Database("admin", surroundings.dsns.get("admin", ""))
        self._open = [*self._apps, self._provider, self._observer, self._forger]
        await asyncio.gather(
            self._read_clock(),
            self._provider.call("POST", "/_control/deliveries", {"mode": "auto"}),
            self._provider.call("POST", "/_control/refunds/mode", {"mode": "instant"}),
        )
        await self._log_operator_in()

    async def close(self) -> None:
        """Close every connection; safe to repeat, and after a `connect` that failed."""
        while self._open:
            await self._open.pop().close()

    @property
    def _app(self) -> Direct:
        return self._apps[0]

    def _setting(self, name: str) -> str:
        if name not in self._settings:
            raise TargetFailed(f"the descriptor's [adapter] table lacks {name!r}")
        return str(self._settings[name])

    # -- the clock -----------------------------------------------------------------------------

    async def _read_clock(self) -> None:
        self._offset_s = float((await self._app.call("GET", "/_control/clock"))["offset_s"])

    def _now(self) -> float:
        """The service's time in seconds since the epoch, as far as this adapter moved or read it."""
        return time.time() + self._offset_s

    def _utc(self, at: float) -> str:
        return datetime.fromtimestamp(at, UTC).isoformat()

    # -- sessions ------------------------------------------------------------------------------

    async def _log_in(self, email: str, session: Session, *, app: Direct | None = None) -> None:
        granted = await (app or self._app).call(
            "POST", "/sessions", {"email": email, "password": session.password}
        )
        session.token = granted["access_token"]
        session.id = granted["session_id"]
        session.expires_at = self._now() + float(granted["expires_in_s"])

    async def _log_operator_in(self) -> None:
        session = Session(self._setting("operator_password"))
        await self._log_in(self._setting("operator_email"), session)
        self._operator = session

    @property
    def _operator_token(self) -> str:
        return self._operator.token if self._operator else ""

    async def _as_operator(self, method: str, path: str, body: Any = None) -> Any:
        """A call of the operator's, who logs in again when his session is over."""
        try:
            return await self._app.call(method, path, body, token=self._operator_token)
        except Refused as refused:
            if refused.status != 401:
                raise
        await self._log_operator_in()
        return await self._app.call(method, path, body, token=self._operator_token)
