"""One connection of a relay: what is read on one side is counted and written on the other.

An end of stream is passed on as an end of stream (half-close), a reset as a reset, and a slow
reader holds its writer back.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import struct
from typing import cast

from harness.wire.link import Counts, Tripwires

log = logging.getLogger(__name__)

_HIGH_WATER_BYTES = 256 * 1024
_DIAL_TIMEOUT_S = 10.0
# l_onoff=1, l_linger=0: close sends RST and drops what is unsent.
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


def _reset(transport: asyncio.Transport) -> None:
    sock = transport.get_extra_info("socket")
    with contextlib.suppress(OSError):  # already closed: there is nothing left to reset
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    transport.abort()


class Door:
    """What all connections of one link share."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.counts = Counts()
        self.tripwires = Tripwires(self.counts)
        self.upstream: tuple[str, int] | None = None
        self.led = asyncio.Event()
        self.pairs: set[Pair] = set()
        self.server: asyncio.Server | None = None

    def accept(self) -> Side:
        return Pair(self).client

    def lead(self, upstream: tuple[str, int] | None) -> None:
        self.upstream = upstream
        if upstream is None:
            self.led.clear()
        else:
            self.led.set()

    async def dial(self, side: Side) -> None:
        async with asyncio.timeout(_DIAL_TIMEOUT_S):
            while self.upstream is None:
                await self.led.wait()
            await self.loop.create_connection(lambda: side, *self.upstream)

    def cut(self) -> int:
        pairs = list(self.pairs)
        for pair in pairs:
            pair.reset()
        self.counts.resets += len(pairs)
        return len(pairs)


class Side(asyncio.Protocol):
    """One half of a connection; passes what it reads to the other half."""

    __slots__ = ("_counts", "_door", "_pair", "_upward", "ended", "other", "transport")

    other: Side

    def __init__(self, pair: Pair, *, upward: bool) -> None:
        self._pair = pair
        self._door = pair.door
        self._counts = pair.door.counts
        self._upward = upward
        self.ended = False
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Not every loop's transports are registered with asyncio's classes.
        self.transport = transport = cast("asyncio.Transport", transport)
        transport.set_write_buffer_limits(high=_HIGH_WATER_BYTES)
        if self._upward:
            self._pair.accepted(transport)

    def data_received(self, data: bytes) -> None:
        target = self.other.transport
        if target is None:
            # Not connected yet. Not paused in connection_made: uvloop starts to read after it.
            self._pair.early.append(data)
            assert self.transport is not None
            self.transport.pause_reading()
        else:
            self.pass_on(data, target)

    def pass_on(self, data: bytes, target: asyncio.Transport) -> None:
        counts = self._counts
        if self._upward:
            counts.messages += 1
            counts.bytes_up += len(data)
            if counts.messages >= counts.trip_at:
                self._trip()
        else:
            counts.replies += 1
            counts.bytes_down += len(data)
        if not target.is_closing():
            target.write(data)

    def _trip(self) -> None:
        try:
            self._door.tripwires.reached()
        except Exception:
            # The message must go on whatever an action did; the tripwire says that it fired.
            log.exception("a tripwire's action failed")

    def eof_received(self) -> bool:
        self.ended = True
        self._pair.ending()
        target = self.other.transport
        if target is not None and not target.is_closing():
            target.write_eof()
        if self.other.ended:
            self._pair.close()
        return True  # keep our half open: the other direction may still carry an answer

    def pause_writing(self) -> None:
        if self.other.transport is not None:
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.other.transport is not None:
            self.other.transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        if exc is not None:
            self._counts.resets += 1
            self._pair.reset()
        else:
            self._pair.close()


class Pair:
    """A client's connection and ours to the server."""

    __slots__ = ("_over", "client", "dialling", "door", "early", "server")

    def __init__(self, door: Door) -> None:
        self.door = door
        self.client = Side(self, upward=True)
        self.server = Side(self, upward=False)
        self.client.other, self.server.other = self.server, self.client
        self.dialling: asyncio.Task[None] | None = None
        self.early: list[bytes] = []
        self._over = False

    def accepted(self, transport: asyncio.Transport) -> None:
        self.door.counts.connections += 1
        self.door.pairs.add(self)
        self.dialling = self.door.loop.create_task(self._dial(transport))

    async def _dial(self, client: asyncio.Transport) -> None:
        try:
            await self.door.dial(self.server)
        except OSError:
            # It was accepted before the server could refuse: a reset is what comes closest.
            self.door.counts.resets += 1
            self.reset()
            return
        server = self.server.transport
        if server is None or client.is_closing():
            self.close()
            return
        for data in self.early:
            self.client.pass_on(data, server)
        self.early.clear()
        if self.client.ended and not server.is_closing():
            server.write_eof()
        elif not client.is_closing():
            client.resume_reading()

    def close(self) -> None:
        """Close both halves once what is buffered has been sent."""
        self._let_go()
        for side in (self.client, self.server):
            if side.transport is not None and not side.transport.is_closing():
                side.transport.close()

    def reset(self) -> None:
        """Reset both halves at once."""
        self._let_go()
        for side in (self.client, self.server):
            if side.transport is not None and not side.transport.is_closing():
                _reset(side.transport)

    def ending(self) -> None:
        """One side, or we, have ended it."""
        if not self._over:
            self._over = True
            self.door.counts.closes += 1

    def _let_go(self) -> None:
        self.ending()
        self.door.pairs.discard(self)
        if self.dialling is not None and not self.dialling.done() and self.server.transport is None:
            self.dialling.cancel()
