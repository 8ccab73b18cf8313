"""Calls past the links, for what prepares and controls: JSON in, JSON out, failures named."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import aiohttp

from overbooked.targets.errors import TargetFailed

TIMEOUT_S = 30.0
SHOWN = 300
CONNECTIONS = 16
# Shorter than the servers keep an idle connection, so that none is met half closed.
KEEP_IDLE_S = 2.0


class Direct:
    """One server, by its own address. Made within a running event loop.

    Where a GET, PUT or DELETE meets a connection that the server has just closed, it is sent once
    more; nothing that is judged goes this way.

    Args:
        name: what messages call it.
        url: its base URL.
        headers: sent with every call.
    """

    def __init__(self, name: str, url: str, headers: Mapping[str, str] | None = None) -> None:
        self.name = name
        self._session = aiohttp.ClientSession(
            base_url=url,
            headers=headers,
            connector=aiohttp.TCPConnector(limit=CONNECTIONS, keepalive_timeout=KEEP_IDLE_S),
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    async def close(self) -> None:
        await self._session.close()

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
            TargetFailed: no answer, one of 400 and above, or one that is no JSON.
        """
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        if key:
            headers["Idempotency-Key"] = key
        patience = aiohttp.ClientTimeout(total=None, connect=timeout_s, sock_read=timeout_s)
        try:
            async with self._session.request(
                method,
                path,
                json=body,
                headers=headers,
                params=query,
                timeout=patience,
                allow_redirects=False,
            ) as response:
                status, content = response.status, await response.read()
                if status < 400:
                    return await response.json(content_type=None) if content else None
        except (TimeoutError, aiohttp.ClientError) as error:
            raise TargetFailed(f"{self.name} did not answer {method} {path}: {error!r}") from error
        except ValueError as error:
            raise TargetFailed(
                f"{self.name} answered {method} {path} with what is no JSON: {error}"
            ) from error
        shown = content.decode("utf-8", "replace")[:SHOWN]
        raise Refused(f"{self.name} answered {method} {path} with {status}: {shown}", status)


class Refused(TargetFailed):
    """A server refused a call that had to succeed; `status` is its HTTP status."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status
