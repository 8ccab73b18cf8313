"""One connection of a relay: what is read on one side is counted and written on the other.

On a link whose protocol the gate understands it goes through a session on its way. An end of stream
is passed on as an end of stream (half-close), a reset as a reset, and a slow reader holds its writer
back.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import socket
import struct
from collections.abc import Callable
from typing import cast

from overbooked.machine import troubles
from overbooked.machine.descriptors import runs_out
from overbooked.wire.gate.boundary import Gatekeeper, WireProtocol
from overbooked.wire.gate.session import Session
from overbooked.wire.link import Counts, Tripwires
from overbooked.wire.outlet import PairOutlet
from overbooked.wire.protocols import speak

log = logging.getLogger(__name__)

_HIGH_WATER_BYTES = 256 * 1024
_DIAL_TIMEOUT_S = 10.0
_TROUBLES_KEPT = 100
# l_onoff=1, l_linger=0: close sends RST and drops what is unsent.
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


def _reset(transport: asyncio.Transport) -> None:
    sock = transport.get_extra_info("socket")
    with contextlib.suppress(OSError):  # already closed: there is nothing left to reset
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    transport.abort()


class Door:
    """What all connections of one link share."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, name: str = "", protocol: WireProtocol = WireProtocol.RAW
    ) -> None:
        self.loop = loop
        self.name = name
        self.protocol = protocol
        self.keeper: Gatekeeper | None = None
        self.connections_named = 0
        self.ordinals = 0
        self.troubles: list[str] = []
        self.counts = Counts()
        self.tripwires = Tripwires(self.counts)
        self.upstream: tuple[str, int] | None = None
        self.led = asyncio.Event()
        self.pairs: set[Pair] = set()
        self.listening: socket.socket | None = None
        self.accepting: asyncio.Task[None] | None = None

    async def shut(self) -> None:
        """Accept no more clients, and free the port."""
        if self.accepting is not None:
            self.accepting.cancel()
            # The loop still watches the socket until the task has ended.
            await asyncio.wait([self.accepting])
        if self.listening is not None:
            self.listening.close()

    def accept(self) -> Side:
        return Pair(self).client

    def lead(self, upstream: tuple[str, int] | None) -> None:
        self.upstream = upstream
        if upstream is None:
            self.led.clear()
        else:
            self.led.set()

    def gate(self, keeper: Gatekeeper | None) -> None:
        """Engage a keeper, or none; what is held is passed on."""
        if keeper is self.keeper:
            return
        self.keeper = keeper
        for pair in list(self.pairs):
            pair.guarded(lambda session: session.gate_changed())

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

    __slots__ = (
        "_counts",
        "_door",
        "_pair",
        "_stops",
        "_upward",
        "ended",
        "other",
        "passed_end",
        "transport",
    )

    other: Side

    def __init__(self, pair: Pair, *, upward: bool) -> None:
        self._pair = pair
        self._door = pair.door
        self._counts = pair.door.counts
        self._upward = upward
        self.ended = False  # it sent its end of stream
        self.passed_end = False  # and the other side was told
        self._stops: set[str] = set()
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
            self.stop("dialling")
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
        session = self._pair.session
        if session is None:
            if not target.is_closing():
                target.write(data)
        elif not self._pair.gone:
            try:
                if self._upward:
                    session.from_client(data)
                else:
                    session.from_server(data)
            except Exception as error:
                self._pair.failed(error)

    def _trip(self) -> None:
        try:
            self._door.tripwires.reached()
        except Exception:
            # The message must go on whatever an action did; the tripwire says that it fired.
            log.exception("a tripwire's action failed")

    def eof_received(self) -> bool:
        self.ended = True
        self._pair.ending()
        if self.other.transport is not None:
            self.end()
        return True  # keep our half open: the other direction may still carry an answer

    def end(self) -> None:
        """Its end of stream has come and the other side is there: pass it on, or tell the session."""
        if self._pair.session is None:
            self.pass_end()
        elif self._upward:
            self._pair.guarded(lambda session: session.client_ended())
        else:
            self._pair.guarded(lambda session: session.server_ended())

    def pass_end(self) -> None:
        """Write the end of stream on the other side; close once both sides have been told."""
        if self.passed_end:
            return
        target = self.other.transport
        self.passed_end = True
        if target is not None and not target.is_closing():
            target.write_eof()
        if self.other.passed_end:
            self._pair.close()

    def stop(self, why: str) -> None:
        """Stop reading here until every reason for it has gone."""
        if self.transport is not None:
            if not self._stops:
                self.transport.pause_reading()
            self._stops.add(why)

    def go_on(self, why: str) -> None:
        """This reason has gone."""
        if why in self._stops:
            self._stops.discard(why)
            if not self._stops and self.transport is not None and not self.transport.is_closing():
                self.transport.resume_reading()

    def pause_writing(self) -> None:
        self.other.stop("full")

    def resume_writing(self) -> None:
        self.other.go_on("full")

    def connection_lost(self, exc: Exception | None) -> None:
        if exc is not None:
            self._counts.resets += 1
            self._pair.reset()
        else:
            self._pair.close()


class Pair:
    """A client's connection and ours to the server."""

    __slots__ = (
        "_over",
        "client",
        "dialling",
        "door",
        "early",
        "gone",
        "number",
        "server",
        "session",
        "unsent",
    )

    def __init__(self, door: Door) -> None:
        self.door = door
        self.client = Side(self, upward=True)
        self.server = Side(self, upward=False)
        self.client.other, self.server.other = self.server, self.client
        self.dialling: asyncio.Task[None] | None = None
        self.early: list[bytes] = []
        self.unsent: list[bytes] = []  # written for a server that is dialled anew
        self.number = 0
        self.gone = False
        self._over = False
        self.session = speak(door.protocol, PairOutlet(self))

    def accepted(self, transport: asyncio.Transport) -> None:
        self.door.counts.connections += 1
        self.door.pairs.add(self)
        sock = transport.get_extra_info("socket")
        if sock is not None and runs_out(sock.fileno()):
            troubles.note(troubles.LIMITS[errno.EMFILE])
        self.dialling = self.door.loop.create_task(self._dial(transport))

    async def _dial(self, client: asyncio.Transport) -> None:
        server = await self._reach(client)
        if server is None:
            return
        self._pass_early(server)
        if self.client.ended and not server.is_closing():
            self.client.end()
        elif not client.is_closing():
            self.client.go_on("dialling")

    async def _reach(self, client: asyncio.Transport) -> asyncio.Transport | None:
        """A connection to the server; None where it cannot be had, or nobody is there to want it."""
        try:
            await self.door.dial(self.server)
        except OSError as error:
            # One that this process could not even try is no refusal of the server's.
            troubles.note_limit(error)
            # It was accepted before the server could refuse: a reset is what comes closest.
            self.door.counts.resets += 1
            self.reset()
            return None
        server = self.server.transport
        if server is None or self.gone or client.is_closing():
            self.close()
            return None
        return server

    def _pass_early(self, server: asyncio.Transport) -> None:
        for data in self.early:
            self.client.pass_on(data, server)
        self.early.clear()

    def reconnect(self) -> None:
        """Take a new connection to the server for the old one; the client's stays as it is."""
        client = self.client.transport
        if self.gone or client is None:
            return
        old, self.server = self.server, Side(self, upward=False)
        self.server.other, self.client.other = self.client, self.server
        if old.transport is not None:
            old.transport.set_protocol(asyncio.Protocol())  # what becomes of it concerns nobody
            old.transport.close()
        self.client.stop("dialling")
        self.client.go_on("full")
        self.dialling = self.door.loop.create_task(self._redial(client, told_end=self.client.ended))

    async def _redial(self, client: asyncio.Transport, *, told_end: bool) -> None:
        server = await self._reach(client)
        if server is None:
            return
        for data in self.unsent:
            server.write(data)
        self.unsent.clear()
        self._pass_early(server)
        if self.client.passed_end and not server.is_closing():
            server.write_eof()
        elif self.client.ended and not told_end:
            self.client.end()
        self.client.go_on("dialling")

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

    def guarded(self, act: Callable[[Session], None]) -> None:
        """Tell the session something; an error of ours breaks the connection off."""
        if self.session is not None and not self.gone:
            try:
                act(self.session)
            except Exception as error:
                self.failed(error)

    def failed(self, error: Exception) -> None:
        """The session raised: it has lost the thread, so the connection must not go on."""
        log.error("the gate failed on %s", self.door.name, exc_info=error)
        self.break_off(f"the gate failed on {self.door.name}: {type(error).__name__}: {error}")

    def break_off(self, why: str) -> None:
        """Say why this connection cannot be followed and reset it."""
        if self.gone:
            return
        keeper = self.door.keeper
        if why not in self.door.troubles and len(self.door.troubles) < _TROUBLES_KEPT:
            # Once: a service that connects as it may not tries again and again.
            self.door.troubles.append(why)
            log.warning("%s: %s", self.door.name, why)
        if keeper is not None:
            try:
                keeper.broken(self.door.name, self.number, why)
            except Exception:
                log.exception("a keeper failed on %s", self.door.name)
        self.door.counts.resets += 1
        self.reset()

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
        if not self.gone:
            self.gone = True
            if self.session is not None:
                try:
                    self.session.over()
                except Exception:
                    log.exception("the gate failed at the end of a connection of %s", self.door.name)
