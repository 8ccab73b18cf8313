"""A client that sends PostgreSQL's messages as they are written here, and keeps the server's bytes."""

from __future__ import annotations

import asyncio
import hashlib
import struct
from dataclasses import dataclass

from tests.wire.postgres.client import m

USER = PASSWORD = "hashed"
_DEADLINE_S = 60.0


@dataclass
class RawClient:
    """One connection of the role that logs in by md5."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    @classmethod
    async def connect(cls, address: tuple[str, int], database: str = "postgres") -> RawClient:
        client = cls(*await asyncio.open_connection(*address))
        words = b"\0".join([b"user", USER.encode(), b"database", database.encode(), b"", b""])
        client.writer.write(struct.pack(">II", len(words) + 8, 3 << 16) + words)
        while True:
            kind, body = await client.message()
            if kind == "R" and body[:4] == struct.pack(">I", 5):
                inner = hashlib.md5((PASSWORD + USER).encode()).hexdigest().encode()
                client.writer.write(
                    m("p", b"md5" + hashlib.md5(inner + body[4:]).hexdigest().encode() + b"\0")
                )
            elif kind == "E":
                raise AssertionError(body)
            elif kind == "Z":
                return client

    async def message(self) -> tuple[str, bytes]:
        """The next message: type and body."""
        async with asyncio.timeout(_DEADLINE_S):
            kind, size = struct.unpack(">cI", await self.reader.readexactly(5))
            return kind.decode(), await self.reader.readexactly(size - 4)

    async def said(self, asks: bytes, readies: int = 1) -> list[tuple[str, bytes]]:
        """Everything up to so many ReadyForQuery after `asks` was sent."""
        self.writer.write(asks)
        found: list[tuple[str, bytes]] = []
        while readies:
            found.append(await self.message())
            readies -= found[-1][0] == "Z"
        return found

    async def close(self) -> None:
        self.writer.close()
        await self.writer.wait_closed()
