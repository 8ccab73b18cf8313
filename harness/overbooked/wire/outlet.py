"""What a session can do to its connection in a relay; satisfies `overbooked.wire.gate.session.Outlet`."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from overbooked.wire.gate.boundary import Gatekeeper
from overbooked.wire.gate.session import Session, Timer

if TYPE_CHECKING:
    from overbooked.wire.connection import Pair

_LOOK_S = 0.1
# The states CLOSE and CLOSE_WAIT of Linux' TCP_INFO.
_ENDED = frozenset({7, 8})


class PairOutlet:
    """The outlet of one pair of connections."""

    __slots__ = ("_door", "_held_back", "_pair")

    def __init__(self, pair: Pair) -> None:
        self._pair = pair
        self._door = pair.door
        self._held_back = False

    @property
    def link(self) -> str:
        return self._door.name

    @property
    def keeper(self) -> Gatekeeper | None:
        return self._door.keeper

    @property
    def connection(self) -> int:
        if not self._pair.number:
            self._door.connections_named += 1
            self._pair.number = self._door.connections_named
        return self._pair.number

    def next_ordinal(self) -> int:
        self._door.ordinals += 1
        return self._door.ordinals

    def to_server(self, data: bytes | bytearray | memoryview) -> None:
        if self._pair.server.transport is None:
            self._pair.unsent.append(bytes(data))
        elif not self._pair.client.passed_end:
            _write(self._pair.server.transport, data)

    def to_client(self, data: bytes | bytearray | memoryview) -> None:
        if not self._pair.server.passed_end:  # else that side was told that no more comes
            _write(self._pair.client.transport, data)

    def end_to_server(self) -> None:
        self._pair.client.pass_end()

    def end_to_client(self) -> None:
        self._pair.server.pass_end()

    def reconnect(self) -> None:
        self._pair.reconnect()

    def close(self) -> None:
        self._pair.close()

    def reset(self) -> None:
        if not self._pair.gone:
            self._door.counts.resets += 1
            self._pair.reset()

    def break_off(self, why: str) -> None:
        self._pair.break_off(why)

    def hold_back(self, waits: bool) -> None:
        client = self._pair.client
        if waits and not self._held_back:
            client.stop("held")
            self._look_for_end()
        elif not waits:
            client.go_on("held")
        self._held_back = waits

    def _look_for_end(self) -> None:
        """Nothing is read of a client that is held back, so its end is looked for: then all is read."""
        transport = self._pair.client.transport
        if transport is None or transport.is_closing():
            return
        if _has_ended(transport):
            self._pair.client.go_on("held")
        else:
            self.later(_LOOK_S, lambda: self._look_for_end() if self._held_back else None)

    def later(self, delay_s: float, act: Callable[[], None]) -> Timer:
        def run() -> None:
            self._pair.guarded(lambda _: act())

        return self._door.loop.call_later(delay_s, run)

    def peers(self) -> Iterable[Session]:
        return [pair.session for pair in self._door.pairs if pair.session is not None]


def _has_ended(transport: asyncio.Transport) -> bool:
    """Whether the other side's end of stream has come, read or not; False where it cannot be told."""
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
