"""Deliveries: sends every event to the webhook, newly signed each time, until it is acknowledged."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import json
import logging
import sqlite3
from functools import partial
from typing import Any

import httpx

from reference_system.payment_provider import events
from reference_system.payment_provider.errors import missing
from reference_system.payment_provider.journal import Journal
from reference_system.payment_provider.settings import Settings

log = logging.getLogger(__name__)
AT_ONCE = 8  # maximum number of concurrent deliveries
PAGE = 64

NEXT_UNACKNOWLEDGED = """
SELECT * FROM events WHERE acknowledged_at IS NULL AND seq > ? AND seq <= ? ORDER BY seq LIMIT 1
"""


def signature(secret: str, body: bytes, timestamp: int) -> str:
    """Return the signature header: `t=<unix>,v1=<hex hmac-sha256 of "t.body">`."""
    mac = hmac.new(secret.encode(), f"{timestamp}.".encode() + body, hashlib.sha256)
    return f"t={timestamp},v1={mac.hexdigest()}"


class Deliveries:
    """Sends events to the webhook, automatically (`auto`) or on request (`held`)."""

    def __init__(self, journal: Journal, settings: Settings) -> None:
        self._journal = journal
        self._settings = settings
        self._client = httpx.AsyncClient(
            timeout=settings.webhook_timeout_s,
            trust_env=False,
            limits=httpx.Limits(max_connections=AT_ONCE * 2, keepalive_expiry=4.0),
        )
        self._woken = asyncio.Event()
        self._under_way: dict[str, asyncio.Task[dict[str, Any]]] = {}

    async def close(self) -> None:
        for task in self._under_way.values():
            task.cancel()
        await asyncio.gather(*self._under_way.values(), return_exceptions=True)
        await self._client.aclose()

    def wake(self) -> None:
        """Check for due events; called after a new event and after changes of the clock or the mode."""
        self._woken.set()

    async def run(self) -> None:
        """Deliver events that are due, until cancelled."""
        while True:
            self._woken.clear()
            wait_s = self._start_due() if self._journal.deliveries == "auto" else None
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), wait_s)

    def _start_due(self) -> float | None:
        """Start due deliveries up to the limit; returns seconds until the next, None if there is none."""
        now = self._journal.now()
        rows = self._journal.rows(
            "SELECT * FROM events WHERE acknowledged_at IS NULL ORDER BY due_at, seq LIMIT ?", PAGE
        )
        for row in rows:
            if row["id"] in self._under_way:
                continue
            if len(self._under_way) >= AT_ONCE:
                return None  # the end of each delivery calls `wake`
            if row["due_at"] > now:
                return float(row["due_at"] - now)
            task = asyncio.create_task(self.attempt(row))
            self._under_way[row["id"]] = task
            task.add_done_callback(partial(self._ended, row["id"]))
        return None

    def _ended(self, id_: str, _task: asyncio.Task[dict[str, Any]]) -> None:
        self._under_way.pop(id_, None)
        self.wake()

    async def attempt(self, event: sqlite3.Row) -> dict[str, Any]:
        """Deliver one event once, now; returns the result."""
        body = json.dumps(events.wire(event)).encode()
        status: int | None = None
        error = ""
        try:
            response = await self._client.post(
                self._settings.webhook_url,
                content=body,
                headers={
                    "Content-Type": "application/json",
                    "Provider-Signature": signature(
                        self._settings.webhook_secret, body, int(self._journal.now())
                    ),
                },
            )
            status = response.status_code
        except (httpx.HTTPError, httpx.InvalidURL) as failure:
            error = f"{type(failure).__name__}: {failure}"
        acknowledged = status is not None and 200 <= status < 300
        self._note(event["id"], acknowledged=acknowledged)
        return {
            "event": event["id"],
            "type": event["type"],
            "payment_intent": event["payment_intent"],
            "status": status,
            "error": error,
            "acknowledged": acknowledged,
        }

    def _note(self, id_: str, *, acknowledged: bool) -> None:
        now = self._journal.now()
        row = self._journal.one("SELECT attempts FROM events WHERE id = ?", id_)
        attempts = (row["attempts"] if row else 0) + 1
        wait_s = min(self._settings.retry_base_s * 2 ** min(attempts - 1, 30), self._settings.retry_max_s)
        self._journal.db.execute(
            "UPDATE events SET attempts = ?, due_at = ?, acknowledged_at = coalesce(acknowledged_at, ?) "
            "WHERE id = ?",
            (attempts, now + wait_s, now if acknowledged else None, id_),
        )

    async def attempt_all(self, *, intent_ids: list[str] | None = None) -> list[dict[str, Any]]:
        """Attempt every unacknowledged event once, oldest first, one after another."""
        outcomes: list[dict[str, Any]] = []
        seq = 0
        last = self._journal.one("SELECT coalesce(max(seq), 0) AS seq FROM events")
        end = last["seq"] if last else 0
        while row := self._journal.one(NEXT_UNACKNOWLEDGED, seq, end):
            seq = row["seq"]
            if intent_ids is None or row["payment_intent"] in intent_ids:
                outcomes.append(await self.attempt(row))
        return outcomes

    async def attempt_one(self, event_id: str) -> dict[str, Any]:
        """Deliver an event once more, newly signed, acknowledged or not."""
        row = self._journal.one("SELECT * FROM events WHERE id = ?", event_id)
        if row is None:
            raise missing("event", event_id)
        return await self.attempt(row)
