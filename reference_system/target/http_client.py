"""A JSON client that bypasses the links, for requests that prepare or control the system."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import aiohttp

from overbooked.targets.errors import TargetError

TIMEOUT_S = 30.0
SHOWN = 300
CONNECTIONS = 16
# Shorter than the servers keep an idle connection, so that no request meets one that is being closed.
KEEP_IDLE_S = 2.0


class HttpClient:
    """A client of one server at its direct address. Create it within a running event loop.

    A GET, PUT or DELETE on a connection that the server has just closed is sent once more; requests that
    scenarios judge do not use this client.

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
        """Send a request; returns the JSON of a successful answer, None for an empty one.

        Args:
            timeout_s: seconds to wait for a connection, and for each part of the answer.

        Raises:
            TargetError: no answer, an invalid one, or a status of 400 and above (`RefusedError`).
        """
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        if key:
            headers["Idempotency-Key"] = key
        timeout = aiohttp.ClientTimeout(total=None, connect=timeout_s, sock_read=timeout_s)
        try:
            async with self._session.request(
                method,
                path,
                json=body,
                headers=headers,
                params=query,
                timeout=timeout,
                allow_redirects=False,
            ) as response:
                status, content = response.status, await response.read()
                if status < 400:
                    return await response.json(content_type=None) if content else None
        except (TimeoutError, aiohttp.ClientError) as error:
            raise TargetError(f"{self.name} did not answer {method} {path}: {error!r}") from error
        except ValueError as error:
            raise TargetError(f"{self.name} answered {method} {path} with invalid JSON: {error}") from error
        shown = content.decode("utf-8", "replace")[:SHOWN]
        raise RefusedError(f"{self.name} answered {method} {path} with {status}: {shown}", status)


class RefusedError(TargetError):
    """A server refused a call that had to succeed; `status` is its HTTP status."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status
