"""One proxied connection of a relay: data read on one side is counted and written to the other side.

If the gate follows the link's protocol, data goes through a session. An end of stream is forwarded as an
end of stream (half-close) and a reset as a reset; back pressure from a slow reader pauses the other side.
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
from overbooked.wire.link import LinkCounts, Tripwires

log = logging.getLogger(__name__)

_HIGH_WATER_BYTES = 256 * 1024
_DIAL_TIMEOUT_S = 10.0
_TROUBLES_KEPT = 100
# l_onoff=1, l_linger=0: close sends RST and discards unsent data.
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


def _reset(transport: asyncio.Transport) -> None:
    sock = transport.get_extra_info("socket")
    with contextlib.suppress(OSError):  # the socket is closed already
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    transport.abort()


class LinkState:
    """The state shared by all connections of one link: upstream, gatekeeper, counts, tripwires.

    Used in the relay's thread only, except `counts`, which any thread may read.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, name: str, protocol: WireProtocol) -> None:
        self.loop = loop
        self.name = name
        self.protocol = protocol
        self.keeper: Gatekeeper | None = None
        self.connections_named = 0
        self.ordinals = 0
        self.troubles: list[str] = []
        self.counts = LinkCounts()
        self.tripwires = Tripwires(self.counts)
        self.upstream: tuple[str, int] | None = None
        self.led = asyncio.Event()
        self.connections: set[ProxiedConnection] = set()

    async def dial(self, side: SocketSide) -> None:
        """Connect `side` to the upstream; if the link has no upstream yet, wait for one.

        Raises:
            TimeoutError: no connection was made within ten seconds.
            OSError: the upstream refused the connection, or this process could not open a socket.
        """
        async with asyncio.timeout(_DIAL_TIMEOUT_S):
            while self.upstream is None:
                await self.led.wait()
            await self.loop.create_connection(lambda: side, *self.upstream)


class SocketSide(asyncio.Protocol):
    """One half of a connection; forwards the data that it reads to the other half."""

    __slots__ = (
        "_connection",
        "_counts",
        "_link",
        "_stops",
        "_upward",
        "ended",
        "other",
        "passed_end",
        "transport",
    )

    other: SocketSide

    def __init__(self, connection: ProxiedConnection, *, upward: bool) -> None:
        self._connection = connection
        self._link = connection.link
        self._counts = connection.link.counts
        self._upward = upward
        self.ended = False  # this side has sent its end of stream
        self.passed_end = False  # and it was forwarded to the other side
        self._stops: set[str] = set()
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # The transports of some event loops are not subclasses of asyncio's classes.
        self.transport = transport = cast("asyncio.Transport", transport)
        transport.set_write_buffer_limits(high=_HIGH_WATER_BYTES)
        if self._upward:
            self._connection.accepted(transport)

    def data_received(self, data: bytes) -> None:
        target = self.other.transport
        if target is None:
            # Not connected yet. Pausing in connection_made has no effect: uvloop starts reading after it.
            self._connection.early.append(data)
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
        session = self._connection.session
        if session is None:
            if not target.is_closing():
                target.write(data)
        elif not self._connection.gone:
            try:
                if self._upward:
                    session.from_client(data)
                else:
                    session.from_server(data)
            except Exception as error:
                self._connection.failed(error)

    def _trip(self) -> None:
        try:
            self._link.tripwires.reached()
        except Exception:
            # The message is forwarded in any case; the tripwire records that it fired.
            log.exception("a tripwire's action failed")

    def eof_received(self) -> bool:
        self.ended = True
        self._connection.ending()
        if self.other.transport is not None:
            self.end()
        return True  # keep this half open: the other direction may still carry an answer

    def end(self) -> None:
        """Forward this side's end of stream to the connected other side, or notify the session."""
        if self._connection.session is None:
            self.pass_end()
        elif self._upward:
            self._connection.guarded(lambda session: session.client_ended())
        else:
            self._connection.guarded(lambda session: session.server_ended())

    def pass_end(self) -> None:
        """Write the end of stream to the other side; close when both sides have received one."""
        if self.passed_end:
            return
        target = self.other.transport
        self.passed_end = True
        if target is not None and not target.is_closing():
            target.write_eof()
        if self.other.passed_end:
            self._connection.close()

    def stop(self, why: str) -> None:
        """Pause reading for the reason `why`; `go_on` removes a reason."""
        if self.transport is not None:
            if not self._stops:
                self.transport.pause_reading()
            self._stops.add(why)

    def go_on(self, why: str) -> None:
        """Remove a reason for the pause; resume reading when no reason is left."""
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
            self._connection.reset()
        else:
            self._connection.close()


class ProxiedConnection:
    """A client's connection and the relay's connection to the server."""

    __slots__ = (
        "_over",
        "client",
        "dialling",
        "early",
        "gone",
        "link",
        "number",
        "server",
        "session",
        "unsent",
    )

    def __init__(
        self, link: LinkState, session_of: Callable[[ProxiedConnection], Session | None] = lambda _: None
    ) -> None:
        self.link = link
        self.client = SocketSide(self, upward=True)
        self.server = SocketSide(self, upward=False)
        self.client.other, self.server.other = self.server, self.client
        self.dialling: asyncio.Task[None] | None = None
        self.early: list[bytes] = []
        self.unsent: list[bytes] = []  # data for the server, kept while it is dialled again
        self.number = 0
        self.gone = False
        self._over = False
        self.session = session_of(self)

    def accepted(self, transport: asyncio.Transport) -> None:
        self.link.counts.connections += 1
        self.link.connections.add(self)
        sock = transport.get_extra_info("socket")
        if sock is not None and runs_out(sock.fileno()):
            troubles.note(troubles.LIMITS[errno.EMFILE])
        self.dialling = self.link.loop.create_task(self._dial(transport))

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
        """Connect to the server; return None if that failed or the client has disconnected."""
        try:
            await self.link.dial(self.server)
        except OSError as error:
            # If a limit of this machine caused the error, the server did not refuse.
            troubles.note_limit(error)
            # The client is connected already, so a reset is the closest equivalent of a refusal.
            self.link.counts.resets += 1
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
        """Replace the connection to the server; keep the client's connection."""
        client = self.client.transport
        if self.gone or client is None:
            return
        old, self.server = self.server, SocketSide(self, upward=False)
        self.server.other, self.client.other = self.client, self.server
        if old.transport is not None:
            old.transport.set_protocol(asyncio.Protocol())  # ignore its events
            old.transport.close()
        self.client.stop("dialling")
        self.client.go_on("full")
        self.dialling = self.link.loop.create_task(self._redial(client, told_end=self.client.ended))

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
        """Close both halves after the buffered data has been sent."""
        self._let_go()
        for side in (self.client, self.server):
            if side.transport is not None and not side.transport.is_closing():
                side.transport.close()

    def reset(self) -> None:
        """Reset both halves immediately."""
        self._let_go()
        for side in (self.client, self.server):
            if side.transport is not None and not side.transport.is_closing():
                _reset(side.transport)

    def guarded(self, act: Callable[[Session], None]) -> None:
        """Call `act` with the session; an exception in it breaks off the connection."""
        if self.session is not None and not self.gone:
            try:
                act(self.session)
            except Exception as error:
                self.failed(error)

    def failed(self, error: Exception) -> None:
        """Break off the connection after an exception in its session, which can no longer follow it."""
        log.error("the gate failed on %s", self.link.name, exc_info=error)
        self.break_off(f"the gate failed on {self.link.name}: {type(error).__name__}: {error}")

    def break_off(self, why: str) -> None:
        """Report why this connection cannot be followed, and reset it."""
        if self.gone:
            return
        keeper = self.link.keeper
        if why not in self.link.troubles and len(self.link.troubles) < _TROUBLES_KEPT:
            # Each reason is kept once: a service may retry a failing connection many times.
            self.link.troubles.append(why)
            log.warning("%s: %s", self.link.name, why)
        if keeper is not None:
            try:
                keeper.on_error(self.link.name, self.number, why)
            except Exception:
                log.exception("a keeper failed on %s", self.link.name)
        self.link.counts.resets += 1
        self.reset()

    def ending(self) -> None:
        """Count the end of the connection; later calls have no effect."""
        if not self._over:
            self._over = True
            self.link.counts.closes += 1

    def _let_go(self) -> None:
        self.ending()
        self.link.connections.discard(self)
        if self.dialling is not None and not self.dialling.done() and self.server.transport is None:
            self.dialling.cancel()
        if not self.gone:
            self.gone = True
            if self.session is not None:
                try:
                    self.session.over()
                except Exception:
                    log.exception("the gate failed at the end of a connection of %s", self.link.name)
