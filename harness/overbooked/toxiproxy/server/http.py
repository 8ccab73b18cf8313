"""The part of HTTP/1.1 that the API needs: requests with a body, keep-alive, plain responses."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import unquote, urlsplit

from overbooked.machine.accepting import accept_clients
from overbooked.toxiproxy.server import limits

_IDLE_S = 60.0
_BACKLOG = 100
_READ_S = 15.0
_HEAD_LIMIT = 64 * 1024
_BODY_LIMIT = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Request:
    """One request; `path` is decoded, header names are lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Response:
    """One response."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


class _Malformed(Exception):
    """The bytes are not a request."""


Handler = Callable[[Request], Awaitable[Response]]


async def serve_connection(
    handler: Handler, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Serve the requests of one client, one after another, until it disconnects or is idle too long."""
    try:
        while True:
            async with asyncio.timeout(_IDLE_S):
                head = await reader.readuntil(b"\r\n\r\n")
            async with asyncio.timeout(_READ_S):
                request = await _read(head, reader, writer)
            response = await handler(request)
            last = request.headers.get("connection", "").lower() == "close"
            writer.write(_written(response, request.method, close=last))
            await writer.drain()
            if last:
                break
    except _Malformed:
        with contextlib.suppress(OSError):
            writer.write(_written(Response(400, b"400 Bad Request"), "GET", close=True))
    except (OSError, EOFError, TimeoutError, asyncio.LimitOverrunError):
        pass  # the client disconnected, or its request was incomplete or too large
    finally:
        writer.close()


async def _read(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Request:
    lines = head.decode("latin-1").split("\r\n")
    try:
        method, target, version = lines[0].split(" ")
    except ValueError as error:
        raise _Malformed from error
    if not version.startswith("HTTP/1."):
        raise _Malformed
    headers = {}
    for line in filter(None, lines[1:]):
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    if version == "HTTP/1.0":
        headers.setdefault("connection", "close")
    if headers.get("expect", "").lower() == "100-continue":
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    try:
        if headers.get("transfer-encoding", "").lower() == "chunked":
            body = await _chunked(reader)
        else:
            length = int(headers.get("content-length") or 0)
            if not 0 <= length <= _BODY_LIMIT:
                raise _Malformed
            body = await reader.readexactly(length)
    except ValueError as error:
        raise _Malformed from error
    # A path may begin with two slashes, which do not precede a host here.
    path = target.partition("?")[0] if target.startswith("/") else urlsplit(target).path
    return Request(method, unquote(path), headers, body)


async def _chunked(reader: asyncio.StreamReader) -> bytes:
    parts: list[bytes] = []
    while size := int((await reader.readline()).split(b";")[0], 16):
        if size < 0 or sum(map(len, parts)) + size > _BODY_LIMIT:
            raise _Malformed
        parts.append(await reader.readexactly(size))
        await reader.readline()
    while (await reader.readline()).strip():
        pass  # trailers
    return b"".join(parts)


def _written(response: Response, method: str, *, close: bool) -> bytes:
    headers = dict(response.headers)
    if response.status != HTTPStatus.NO_CONTENT:
        headers["Content-Length"] = str(len(response.body))
    if close:
        headers["Connection"] = "close"
    head = f"HTTP/1.1 {response.status} {HTTPStatus(response.status).phrase}\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"{head}\r\n".encode("latin-1") + (b"" if method == "HEAD" else response.body)


def _listen(family: int, address: tuple[str, int]) -> socket.socket:
    listening = socket.create_server(address, family=family, backlog=_BACKLOG)
    listening.setblocking(False)
    return listening


@asynccontextmanager
async def listening(handler: Handler, host: str, port: int) -> AsyncIterator[tuple[str, int]]:
    """Serve HTTP at an address until the block ends; yields the address.

    Args:
        port: 0 selects a free port.

    Raises:
        OSError: the address cannot be listened on.
    """
    clients: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(serve_connection(handler, reader, writer))
        clients.add(task)
        task.add_done_callback(clients.discard)

    def protocol() -> asyncio.StreamReaderProtocol:
        return asyncio.StreamReaderProtocol(asyncio.StreamReader(limit=_HEAD_LIMIT), accept)

    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    sockets = [_listen(family, (str(address[0]), port)) for family, _, _, _, address in dict.fromkeys(found)]
    accepting = [loop.create_task(accept_clients(one, protocol, limits.end_at_limit)) for one in sockets]
    try:
        name = sockets[0].getsockname()
        yield str(name[0]), int(name[1])
    finally:
        for task in accepting:
            task.cancel()
        await asyncio.wait(accepting)
        for one in sockets:
            one.close()
        for task in clients:
            task.cancel()
        await asyncio.gather(*clients, return_exceptions=True)
