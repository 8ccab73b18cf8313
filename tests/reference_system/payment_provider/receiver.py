"""A receiver of webhooks that answers with given statuses."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

DEADLINE_S = 20.0


@dataclass(frozen=True, slots=True)
class Delivery:
    """One received delivery and the status of its answer."""

    type: str
    signature: str
    body: bytes
    status: int


@dataclass(slots=True)
class Receiver:
    """Receives deliveries; `answers` are the next statuses, then 200."""

    port: int = 0
    answers: list[int] = field(default_factory=list)
    deliveries: list[Delivery] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/webhooks"

    @property
    def accepted(self) -> set[str]:
        return {one.type for one in self.deliveries if one.status == 200}

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for a condition on what was delivered."""
        async with asyncio.timeout(DEADLINE_S):
            while not condition():
                self.changed.clear()
                await self.changed.wait()

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        try:
            while (head := await reader.readuntil(b"\r\n\r\n")) != b"":
                headers = dict(
                    line.split(": ", 1) for line in head.decode().lower().split("\r\n")[1:] if ": " in line
                )
                body = await reader.readexactly(int(headers["content-length"]))
                status = self.answers.pop(0) if self.answers else 200
                self.deliveries.append(
                    Delivery(json.loads(body)["type"], headers["provider-signature"], body, status)
                )
                writer.write(f"HTTP/1.1 {status} Said\r\nContent-Length: 0\r\n\r\n".encode())
                self.changed.set()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    """A receiver on loopback while the block runs."""
    receiver = Receiver()
    server = await asyncio.start_server(receiver.take, "127.0.0.1", 0)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()
