"""One client's connection through a proxy: two sides, two directions.

Without toxics, the data read on one side is passed directly to the other side's `write`. With toxics, it goes
through a pipeline. As in the original, an end of stream in one direction closes the other side completely
(there is no half-close), and a reset is forwarded as an end of stream.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import struct
from collections.abc import Callable
from typing import Protocol, cast

from overbooked.machine.descriptors import runs_out
from overbooked.machine.troubles import LIMITS
from overbooked.toxiproxy.server import limits
from overbooked.toxiproxy.server.chunks import Chunk
from overbooked.toxiproxy.server.metrics import Count
from overbooked.toxiproxy.server.pipeline import Pipeline
from overbooked.toxiproxy.server.randomness import Draws
from overbooked.toxiproxy.server.toxics import DOWNSTREAM, UPSTREAM, Toxic

# l_onoff=1, l_linger=0: close sends RST and discards unsent data.
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Upstream(Protocol):
    """The interface of a proxy for its connections."""

    toxics: list[Toxic]
    draws: Draws
    # An ordered set, in the order of acceptance.
    connections: dict[ClientConnection, None]

    def upstream_address(self) -> tuple[str, int]:
        """The host and port to connect to.

        Raises:
            ValueError: the upstream is not a valid address.
        """

    def count(self, direction: int) -> Count | None:
        """The counter for the bytes of a new connection; None if counting is off."""


class Side:
    """One socket of a connection; an asyncio protocol with `data_received` as an attribute."""

    __slots__ = ("connection", "data_received", "direction", "early", "flow", "transport")

    transport: asyncio.Transport
    flow: Flow

    def __init__(self, connection: ClientConnection, direction: int) -> None:
        self.connection = connection
        self.direction = direction
        # uvloop starts reading immediately, so data is kept until the upstream is connected.
        self.early: list[bytes] = []
        self.data_received: Callable[[bytes], None] = self.early.append

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        if self.direction == UPSTREAM:
            self.connection.accepted()

    def reads_into(self, take: Callable[[bytes], None]) -> None:
        """Pass all data read from now on to `take`."""
        self.data_received = take
        # Event loops cache the protocol's method, so the protocol is set again.
        self.transport.set_protocol(self)  # type: ignore[arg-type]  # has the methods of a protocol

    def eof_received(self) -> bool:
        self.flow.end()
        return True

    def connection_lost(self, _: Exception | None) -> None:
        self.connection.lost(self)

    def pause_writing(self) -> None:
        self.flow.other.dest_paused(True)

    def resume_writing(self) -> None:
        self.flow.other.dest_paused(False)

    def close(self) -> None:
        if not self.transport.is_closing():
            self.transport.close()


class Flow:
    """One direction of a connection, from its source to its destination."""

    __slots__ = ("_blocked", "_count", "_dest", "_ended", "_pipeline", "_source", "_writable", "other")

    other: Flow

    def __init__(self, source: Side, dest: Side) -> None:
        self._source = source
        self._dest = dest
        self._pipeline: Pipeline | None = None
        self._count: Count | None = None
        self._blocked = False
        self._ended = False
        self._writable: asyncio.Future[None] | None = None

    def open(self) -> None:
        """Start passing data, when both sides are connected."""
        if self._source.transport.is_closing() or self._dest.transport.is_closing():
            return
        take = self._taker()
        self._source.reads_into(take)
        early, self._source.early = self._source.early, []
        for data in early:
            take(data)
        self._throttle()

    def _taker(self) -> Callable[[bytes], None]:
        direct = self._pipeline is None
        take = self._dest.transport.write if direct else self._feed
        if self._count is None:
            return take
        count = self._count

        def counted(data: bytes) -> None:
            count.received += len(data)
            if direct:
                count.sent += len(data)
            take(data)

        return counted

    def count_into(self, count: Count | None) -> None:
        """Count bytes from now on."""
        self._count = count

    def end(self) -> None:
        """Handle the end of the source, by end of stream or by a lost connection."""
        if self._ended:
            return
        self._ended = True
        if self._source.connection.open:
            self.pass_end()

    def pass_end(self) -> None:
        """Forward the end of the source, if it has ended."""
        if not self._ended:
            return
        if self._pipeline is None:
            self.close()
        else:
            self._pipeline.end()

    # -- the pipeline and its sink -------------------------------------------------------------

    def pipeline(self) -> Pipeline:
        """Return the pipeline; create it if there is none."""
        if self._pipeline is None:
            self._pipeline = Pipeline(self, self._throttle, self._emptied)
            if self._source.connection.open:
                self.open()
        return self._pipeline

    def _feed(self, data: bytes) -> None:
        assert self._pipeline is not None
        self._pipeline.feed(data)
        if self._pipeline.crowded:
            self._source.transport.pause_reading()

    def _emptied(self) -> None:
        self._pipeline = None
        if self._source.connection.open:
            self.open()

    def change(self, act: Callable[[Pipeline], None]) -> None:
        """Call `act` with the pipeline, if there is one."""
        if self._pipeline is not None:
            act(self._pipeline)

    async def put(self, chunk: Chunk) -> None:
        """Write to the destination, as the pipeline's sink; returns when the destination accepts more."""
        if not self._dest.transport.is_closing():
            self._dest.transport.write(chunk.data)
            if self._count is not None:
                self._count.sent += len(chunk.data)
        while self._blocked:
            self._writable = asyncio.get_running_loop().create_future()
            await self._writable

    def close(self) -> None:
        """Close the destination in both directions, as the pipeline's sink."""
        self._dest.close()

    # -- back pressure -------------------------------------------------------------------------

    def dest_paused(self, paused: bool) -> None:
        """Handle back pressure: the write buffer of the destination is full, or has room again."""
        self._blocked = paused
        if not paused and self._writable is not None and not self._writable.done():
            self._writable.set_result(None)
        self._throttle()

    def _throttle(self) -> None:
        full = self._blocked if self._pipeline is None else self._pipeline.crowded
        if full:
            self._source.transport.pause_reading()
        else:
            self._source.transport.resume_reading()


class ClientConnection:
    """A client, its connection to the upstream, and the toxics that affect it.

    Args:
        proxy: the proxy that accepted it.
        number: how many connections the proxy had accepted before.
    """

    __slots__ = ("_client", "_dial", "_flows", "_lost", "_upstream", "number", "open", "proxy")

    def __init__(self, proxy: Upstream, number: int) -> None:
        self.proxy = proxy
        self.number = number
        self.open = False
        self._client = Side(self, UPSTREAM)
        self._upstream = Side(self, DOWNSTREAM)
        up, down = Flow(self._client, self._upstream), Flow(self._upstream, self._client)
        up.other, down.other = down, up
        self._client.flow, self._upstream.flow = up, down
        self._flows = (up, down)
        self._dial: asyncio.Task[None] | None = None
        self._lost = 0

    @property
    def client(self) -> Side:
        return self._client

    # -- from accept to close ------------------------------------------------------------------

    def accepted(self) -> None:
        """Connect to the upstream, before reading from the accepted client."""
        sock = self._client.transport.get_extra_info("socket")
        if sock is not None and runs_out(sock.fileno()):
            limits.end(LIMITS[errno.EMFILE])
        self.proxy.connections[self] = None
        self._dial = asyncio.get_running_loop().create_task(self._connect())

    async def _connect(self) -> None:
        self._client.transport.pause_reading()
        try:
            host, port = self.proxy.upstream_address()
            # A Side has the methods of a protocol, but not the base class.
            made = cast("Callable[[], asyncio.Protocol]", lambda: self._upstream)
            await asyncio.get_running_loop().create_connection(made, host, port)
        except (OSError, ValueError) as error:
            limits.end_at_limit(error)
            # The client is already connected, so closing is the only possible refusal.
            self.proxy.connections.pop(self, None)
            self._client.close()
            return
        if self._client.transport.is_closing():
            self._upstream.transport.abort()
            return
        for toxic in self.proxy.toxics:
            self.meet(toxic, self.number + toxic.rank_offset)
            if toxic.kind.resets:
                self._reset_on_close()
        # Opened only now, so that early data passes every toxic.
        self.open = True
        for direction, flow in enumerate(self._flows):
            flow.count_into(self.proxy.count(direction))
            flow.open()
            flow.pass_end()

    def _reset_on_close(self) -> None:
        for side in (self._client, self._upstream):
            with contextlib.suppress(OSError):
                sock = side.transport.get_extra_info("socket")
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)

    def lost(self, side: Side) -> None:
        """Handle the end of one of the two sockets."""
        if not self.open:
            # The client disconnected, or was refused, while the upstream connection was being made.
            self.abort()
            return
        self._lost += 1
        side.flow.end()
        if self._lost == 2:
            self._gone()

    def _gone(self) -> None:
        self.proxy.connections.pop(self, None)
        for flow in self._flows:
            flow.change(Pipeline.cancel)

    def abort(self) -> None:
        """Close both sides immediately; unsent data is discarded."""
        self.proxy.connections.pop(self, None)
        if self._dial is not None:
            self._dial.cancel()
        for side in (self._client, self._upstream):
            if getattr(side, "transport", None) is not None:
                side.transport.abort()

    # -- toxics --------------------------------------------------------------------------------

    def meet(self, toxic: Toxic, rank: int) -> None:
        """Add a toxic; `rank` is this connection's number among the toxic's connections."""
        draws = self.proxy.draws
        self._flows[toxic.direction].pipeline().add(toxic, lambda: draws.stream(toxic.name, rank))

    def update(self, toxic: Toxic) -> None:
        self._flows[toxic.direction].change(lambda pipeline: pipeline.update(toxic))

    def part(self, toxic: Toxic) -> None:
        """Remove a toxic."""
        self._flows[toxic.direction].change(lambda pipeline: pipeline.remove(toxic))
