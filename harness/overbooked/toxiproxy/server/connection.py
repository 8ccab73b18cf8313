"""One client's connection through a proxy: two sides, two directions.

Without toxics what one side reads is the other side's `write`, with no code of ours in between. With
some, it goes through a pipeline. As in the original, an end of stream in one direction closes the
other side altogether (there is no half-close), and a reset arrives as an end of stream.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
import struct
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, NoReturn, cast

from overbooked.machine.descriptors import runs_out
from overbooked.machine.troubles import LIMITS, limit_of
from overbooked.toxiproxy.server.chunks import Chunk
from overbooked.toxiproxy.server.metrics import Count
from overbooked.toxiproxy.server.pipeline import Pipeline
from overbooked.toxiproxy.server.toxics import DOWNSTREAM, UPSTREAM, Toxic

if TYPE_CHECKING:
    from overbooked.toxiproxy.server.proxy import Proxy

# l_onoff=1, l_linger=0: close sends RST and drops what is unsent.
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
# The exit code of a server that has run into a limit of this machine (EX_OSERR).
LIMIT_REACHED = 71


def _end(limit: str) -> NoReturn:
    """End the server: one that cannot connect must not pass for an upstream that refuses."""
    sys.stderr.write(f"toxiproxy: {limit}\n")
    sys.stderr.flush()
    os._exit(LIMIT_REACHED)


class Side:
    """One socket of a connection; an asyncio protocol whose `data_received` is set, not defined."""

    __slots__ = ("connection", "data_received", "direction", "early", "flow", "transport")

    transport: asyncio.Transport
    flow: Flow

    def __init__(self, connection: Connection, direction: int) -> None:
        self.connection = connection
        self.direction = direction
        # uvloop reads at once whatever `connection_made` says: keep what comes before we connected.
        self.early: list[bytes] = []
        self.data_received: Callable[[bytes], None] = self.early.append

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        if self.direction == UPSTREAM:
            self.connection.accepted()

    def reads_into(self, take: Callable[[bytes], None]) -> None:
        """What is read from now on goes to `take`."""
        self.data_received = take
        # The event loops keep the method they found when the protocol was set.
        self.transport.set_protocol(self)  # type: ignore[arg-type]  # one in all but its base class

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
    """One direction of a connection: what its source reads goes to its destination."""

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
        """Both sides are connected: let it flow."""
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
        """The source has ended, one way or the other."""
        if self._ended:
            return
        self._ended = True
        if self._source.connection.open:
            self.pass_end()

    def pass_end(self) -> None:
        """Pass the end of the source on, if it has ended."""
        if not self._ended:
            return
        if self._pipeline is None:
            self.close()
        else:
            self._pipeline.end()

    # -- the pipeline and its sink -------------------------------------------------------------

    def pipeline(self) -> Pipeline:
        """The pipeline, made when there is none."""
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
        """Do something to the pipeline if there is one."""
        if self._pipeline is not None:
            act(self._pipeline)

    async def put(self, chunk: Chunk) -> None:
        """The sink: write to the destination; returns when it takes more."""
        if not self._dest.transport.is_closing():
            self._dest.transport.write(chunk.data)
            if self._count is not None:
                self._count.sent += len(chunk.data)
        while self._blocked:
            self._writable = asyncio.get_running_loop().create_future()
            await self._writable

    def close(self) -> None:
        """The sink: close the destination, both ways."""
        self._dest.close()

    # -- back pressure -------------------------------------------------------------------------

    def dest_paused(self, paused: bool) -> None:
        """The destination takes no more, or takes more again."""
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


class Connection:
    """A client, its connection to the upstream, and the toxics it meets.

    Args:
        proxy: whose it is.
        number: how many the proxy had accepted before.
    """

    __slots__ = ("_client", "_dial", "_flows", "_lost", "_upstream", "number", "open", "proxy")

    def __init__(self, proxy: Proxy, number: int) -> None:
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
        """The client is there: connect to the upstream before reading from it."""
        sock = self._client.transport.get_extra_info("socket")
        if sock is not None and runs_out(sock.fileno()):
            _end(LIMITS[errno.EMFILE])
        self.proxy.connections[self] = None
        self._dial = asyncio.get_running_loop().create_task(self._connect())

    async def _connect(self) -> None:
        self._client.transport.pause_reading()
        try:
            host, port = self.proxy.upstream_address()
            # A Side is a protocol in all but its base class.
            made = cast("Callable[[], asyncio.Protocol]", lambda: self._upstream)
            await asyncio.get_running_loop().create_connection(made, host, port)
        except (OSError, ValueError) as error:
            if limit := limit_of(error):
                _end(limit)
            # It was accepted already: closing is the only refusal left.
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
        # Only now: what came early must find every toxic in its place.
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
        """One of the two sockets is closed."""
        if not self.open:
            # The client went away, or was refused, while we were connecting.
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
        """Close both sides without waiting for what is unsent."""
        self.proxy.connections.pop(self, None)
        if self._dial is not None:
            self._dial.cancel()
        for side in (self._client, self._upstream):
            if getattr(side, "transport", None) is not None:
                side.transport.abort()

    # -- toxics --------------------------------------------------------------------------------

    def meet(self, toxic: Toxic, rank: int) -> None:
        """A toxic has come; `rank` is this connection's among those it has met."""
        draws = self.proxy.draws
        self._flows[toxic.direction].pipeline().add(toxic, lambda: draws.stream(toxic.name, rank))

    def update(self, toxic: Toxic) -> None:
        self._flows[toxic.direction].change(lambda pipeline: pipeline.update(toxic))

    def part(self, toxic: Toxic) -> None:
        """A toxic has gone."""
        self._flows[toxic.direction].change(lambda pipeline: pipeline.remove(toxic))
