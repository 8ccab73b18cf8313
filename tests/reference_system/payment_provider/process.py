"""The payment provider as a process, for tests that talk to it."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from overbooked.stacks.processes.ports import PortLeases

KEY = "a provider key"
WEBHOOK_SECRET = "a webhook secret"
START_TIMEOUT_S = 20.0


@dataclass(slots=True)
class Provider:
    """A provider on loopback; `kill` and `start` keep its address and journal."""

    port: int
    data_dir: Path
    env: Mapping[str, str]
    http: httpx.AsyncClient = field(init=False)
    _process: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        self.http = httpx.AsyncClient(
            base_url=self.url, headers={"Authorization": f"Bearer {KEY}"}, trust_env=False, timeout=30
        )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Start the process; returns when it answers."""
        self._process = self._spawned()
        async with asyncio.timeout(START_TIMEOUT_S):
            while True:
                try:
                    await self.http.get("/health")
                    return
                except httpx.TransportError:
                    assert self._process.poll() is None, "the provider died at its start"
                    await asyncio.sleep(0.02)

    def _spawned(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [
                *(sys.executable, "-m", "reference_system.payment_provider", "--host", "127.0.0.1"),
                *("--port", str(self.port), "--data-dir", str(self.data_dir)),
            ],
            env={**os.environ, **self.env},
        )

    def kill(self) -> None:
        """Kill it with SIGKILL and reap it."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None

    # -- calls ---------------------------------------------------------------------------------

    async def create(self, *, key: str | None = None, **body: Any) -> httpx.Response:
        """POST /v1/payment_intents, by default 19.99 EUR on a card."""
        sent = {"amount": "19.99", "currency": "EUR", "method": "card", "token": "tok_visa", "metadata": {}}
        headers = {"Idempotency-Key": key} if key else {}
        return await self.http.post("/v1/payment_intents", json=sent | body, headers=headers)

    async def control(self, path: str, **body: Any) -> Any:
        """POST to the control plane; its answer must be a success."""
        answer = await self.http.post(f"/_control{path}", json=body)
        assert answer.is_success, answer.text
        return answer.json()

    async def patch(self, intent: str, **body: Any) -> Any:
        """Falsify an intent."""
        answer = await self.http.patch(f"/_control/intents/{intent}", json=body)
        assert answer.is_success, answer.text
        return answer.json()

    async def journal(self, *checkouts: str) -> Any:
        """Return charges, refunds and calls of some checkouts; without arguments, of all."""
        return await self.control("/journal", checkout_ids=list(checkouts) or None)

    async def charges(self, checkout: str) -> list[dict[str, Any]]:
        charges: list[dict[str, Any]] = (await self.journal(checkout))["charges"]
        return charges

    async def events(self, intent: str) -> list[dict[str, Any]]:
        answer = await self.http.get("/v1/events", params={"payment_intent": intent})
        events: list[dict[str, Any]] = answer.json()["data"]
        return events


@asynccontextmanager
async def running(data_dir: Path, **env: str) -> AsyncIterator[Provider]:
    """Run a provider during the block; events are delivered only if PROVIDER_WEBHOOK_URL is set."""
    leases = PortLeases()
    provider = Provider(
        leases.take("provider"),
        data_dir,
        {
            "PROVIDER_KEY": KEY,
            "PROVIDER_WEBHOOK_SECRET": WEBHOOK_SECRET,
            "PROVIDER_CONTROL": "true",
            **env,
        },
    )
    try:
        await provider.start()
        yield provider
    finally:
        provider.kill()
        await provider.http.aclose()
        leases.release()
