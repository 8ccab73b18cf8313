"""A relay that can fail at a chosen message."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit, urlunsplit


class Wire:
    """Passes bytes between the service and a server unless a fault is set.

    `lose_answer_to` (bytes of a request): once, the request reaches the server, its answer is dropped and the
    connection is cut. `garble`: once, these bytes reach the server in reverse order. `silent`: no answer is
    passed on.
    """

    def __init__(self, server: tuple[str, int]) -> None:
        self.lose_answer_to: bytes | None = None
        self.garble: bytes | None = None
        self.silent = False
        self.connections = 0
        self._server = server
        self._writers: set[asyncio.StreamWriter] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        server_reader, server_writer = await asyncio.open_connection(*self._server)
        self._writers |= {writer, server_writer}
        lost = asyncio.Event()

        async def up() -> None:
            while chunk := await reader.read(65536):
                if self.lose_answer_to is not None and self.lose_answer_to in chunk:
                    self.lose_answer_to = None
                    lost.set()
                if self.garble is not None and self.garble in chunk:
                    chunk = chunk.replace(self.garble, self.garble[::-1])
                    self.garble = None
                server_writer.write(chunk)

        async def down() -> None:
            while chunk := await server_reader.read(65536):
                if lost.is_set():
                    break
                if not self.silent:
                    writer.write(chunk)

        await _until_one_ends(up(), down())
        for end in (writer, server_writer):
            end.close()
            self._writers.discard(end)

    def cut(self) -> None:
        """Close every open connection."""
        for writer in self._writers:
            writer.close()


async def _until_one_ends(*ways: Coroutine[Any, Any, None]) -> None:
    tasks = [asyncio.create_task(way) for way in ways]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def strung(url: str) -> AsyncIterator[tuple[Wire, str]]:
    """Yield a wire to the server of a URL, and the URL through it."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    wire = Wire((parts.hostname, parts.port))
    async with await asyncio.start_server(wire.serve, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()
        credentials = parts.netloc.rpartition("@")[0]
        try:
            yield wire, urlunsplit(parts._replace(netloc=f"{credentials}@{host}:{port}"))
        finally:
            wire.cut()
