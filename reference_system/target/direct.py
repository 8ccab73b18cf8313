"""Calls past the links, for what prepares and controls: JSON in, JSON out, failures named."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx

from harness.targets.transport import TargetFailed

TIMEOUT_S = 30.0
SHOWN = 300


class Direct:
    """One server, by its own address.

    Args:
        name: what messages call it.
        url: its base URL.
        headers: sent with every call.
    """

    def __init__(self, name: str, url: str, headers: Mapping[str, str] | None = None) -> None:
        self.name = name
        self._client = httpx.AsyncClient(
            base_url=url,
            headers=dict(headers or {}),
            timeout=TIMEOUT_S,
            trust_env=False,
            verify=url.startswith("https:"),
            # Shorter than the servers keep an idle connection, so that none is met half closed.
            limits=httpx.Limits(max_connections=16, keepalive_expiry=2.0),
        )

    async def close(self) -> None:
        await self._client.aclose()

    async def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        token: str = "",
        key: str = "",
        query: Mapping[str, str] | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> Any:
        """The JSON of a successful answer; None for an empty one.

        Args:
            timeout_s: how long it may say nothing.

        Raises:
            TargetFailed: no answer, or one of 400 and above.
        """
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        if key:
            headers["Idempotency-Key"] = key
        try:
            response = await self._client.request(
                method, path, json=body, headers=headers, params=query, timeout=timeout_s
            )
        except httpx.HTTPError as error:
            raise TargetFailed(f"{self.name} did not answer {method} {path}: {error!r}") from error
        if response.status_code >= 400:
            raise Refused(
                f"{self.name} answered {method} {path} with {response.status_code}: {response.text[:SHOWN]}",
                response.status_code,
            )
        return response.json() if response.content else None


class Refused(TargetFailed):
    """A server refused a call that had to succeed; `status` is its HTTP status."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status
