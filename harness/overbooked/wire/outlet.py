"""A session's operations on its connection in a relay; satisfies `overbooked.wire.gate.session.Outlet`."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterable

from overbooked.wire.connection import ProxiedConnection
from overbooked.wire.gate.boundary import Gatekeeper
from overbooked.wire.gate.session import Session, Timer

_LOOK_S = 0.1
# The TCP states CLOSE and CLOSE_WAIT in Linux's TCP_INFO.
_ENDED = frozenset({7, 8})


class ConnectionOutlet:
    """The outlet of one proxied connection."""

    __slots__ = ("_connection", "_held_back", "_link")

    def __init__(self, connection: ProxiedConnection) -> None:
        self._connection = connection
        self._link = connection.link
        self._held_back = False

    @property
    def link(self) -> str:
        return self._link.name

    @property
    def keeper(self) -> Gatekeeper | None:
        return self._link.keeper

    @property
    def connection(self) -> int:
        if not self._connection.number:
            self._link.connections_named += 1
            self._connection.number = self._link.connections_named
        return self._connection.number

    def next_ordinal(self) -> int:
        self._link.ordinals += 1
        return self._link.ordinals

    def to_server(self, data: bytes | bytearray | memoryview) -> None:
        if self._connection.server.transport is None:
            self._connection.unsent.append(bytes(data))
        elif not self._connection.client.passed_end:
            _write(self._connection.server.transport, data)

    def to_client(self, data: bytes | bytearray | memoryview) -> None:
        if not self._connection.server.passed_end:  # otherwise the client has received the end of stream
            _write(self._connection.client.transport, data)

    def end_to_server(self) -> None:
        self._connection.client.pass_end()

    def end_to_client(self) -> None:
        self._connection.server.pass_end()

    def reconnect(self) -> None:
        self._connection.reconnect()

    def close(self) -> None:
        self._connection.close()

    def reset(self) -> None:
        if not self._connection.gone:
            self._link.counts.resets += 1
            self._connection.reset()

    def break_off(self, why: str) -> None:
        self._connection.break_off(why)

    def hold_back(self, waits: bool) -> None:
        client = self._connection.client
        if waits and not self._held_back:
            client.stop("held")
            self._look_for_end()
        elif not waits:
            client.go_on("held")
        self._held_back = waits

    def _look_for_end(self) -> None:
        """Poll for the end of stream of a client that is not being read; resume reading when it arrives."""
        transport = self._connection.client.transport
        if transport is None or transport.is_closing():
            return
        if _has_ended(transport):
            self._connection.client.go_on("held")
        else:
            self.later(_LOOK_S, lambda: self._look_for_end() if self._held_back else None)

    def later(self, delay_s: float, act: Callable[[], None]) -> Timer:
        def run() -> None:
            self._connection.guarded(lambda _: act())

        return self._link.loop.call_later(delay_s, run)

    def peers(self) -> Iterable[Session]:
        return [connection.session for connection in self._link.connections if connection.session is not None]


def _has_ended(transport: asyncio.Transport) -> bool:
    """Whether the peer's end of stream has arrived, read or unread; False if unknown."""
    option = getattr(socket, "TCP_INFO", None)
    sock = transport.get_extra_info("socket")
    if option is None or sock is None:
        return False
    try:
        return sock.getsockopt(socket.IPPROTO_TCP, option, 1)[0] in _ENDED
    except OSError:
        return True


def _write(transport: asyncio.Transport | None, data: bytes | bytearray | memoryview) -> None:
    if transport is not None and not transport.is_closing():
        transport.write(data)
