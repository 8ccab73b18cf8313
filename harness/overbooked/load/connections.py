"""Connections of the load generator: strict HTTP/1.1, kept while fresh, and no request is sent twice.

Locust's own client resends a request, even a POST, if a kept connection was closed. The system may then
receive it twice without a record of it. Here a request is sent once, and is UNKNOWN without an answer.
"""

from __future__ import annotations

import http.client
import time
from urllib.parse import urlsplit

from overbooked.targets.adapter import HttpRequest, HttpResponse
from overbooked.targets.client import KEEP_IDLE_S
from overbooked.targets.errors import TransportError


class Door:
    """One replica's address with its idle connections; used by greenlets, not threads."""

    def __init__(self, url: str, patience_s: float) -> None:
        parts = urlsplit(url)
        self._make = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._host = parts.hostname or ""
        self._port = parts.port
        self._path = parts.path.rstrip("/")
        self._patience_s = patience_s
        # Last in, first out: few connections stay in use; the others become stale and are closed.
        self._free: list[tuple[float, http.client.HTTPConnection]] = []

    def send(self, request: HttpRequest) -> HttpResponse:
        """Send one request and read the whole answer.

        Raises:
            TransportError: no complete answer arrived.
        """
        connection = self._connection()
        stage = "send"
        try:
            _send(connection, request, self._path + request.path)
            stage = "receive"
            response = connection.getresponse()
            body = response.read()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise TransportError(f"{type(error).__name__} {error}".strip(), stage=stage) from error
        except BaseException:
            connection.close()  # the greenlet was killed; an answer may still arrive on it
            raise
        if response.will_close:
            connection.close()
        else:
            self._free.append((time.monotonic(), connection))
        return HttpResponse.received(response.status, response.getheaders(), body)

    def _connection(self) -> http.client.HTTPConnection:
        stale_before = time.monotonic() - KEEP_IDLE_S
        while self._free:
            used_at, connection = self._free.pop()
            if used_at >= stale_before:
                return connection
            connection.close()
        connection = self._make(self._host, self._port, timeout=self._patience_s)
        try:
            connection.connect()
        except OSError as error:
            raise TransportError(f"{type(error).__name__} {error}".strip(), stage="connect") from error
        return connection

    def close(self) -> None:
        while self._free:
            self._free.pop()[1].close()


def _send(connection: http.client.HTTPConnection, request: HttpRequest, path: str) -> None:
    """Like `HTTPConnection.request`, but a header may occur several times."""
    headers = request.header_list
    named = {name.lower() for name, _ in headers}
    connection.putrequest(
        request.method, path, skip_host="host" in named, skip_accept_encoding="accept-encoding" in named
    )
    for name, value in headers:
        connection.putheader(name, value)
    if "content-length" not in named and (request.body or request.method in {"POST", "PUT", "PATCH"}):
        connection.putheader("Content-Length", str(len(request.body)))
    connection.endheaders(request.body or None)
