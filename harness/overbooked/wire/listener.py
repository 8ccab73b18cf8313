"""The listening socket of a link: accepts clients and keeps track of the link's open connections."""

from __future__ import annotations

import asyncio
import socket

from overbooked.machine.accepting import accept_clients
from overbooked.wire.connection import LinkState, ProxiedConnection, SocketSide
from overbooked.wire.gate.boundary import Gatekeeper, WireProtocol
from overbooked.wire.gate.session import Session
from overbooked.wire.outlet import ConnectionOutlet
from overbooked.wire.protocols import session_for


class LinkListener(LinkState):
    """The listening socket of one link, and its accepted connections.

    Args:
        loop: the relay's event loop; all methods run in its thread.
        name: the link's name.
        protocol: the protocol that the gate parses on the link.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, name: str = "", protocol: WireProtocol = WireProtocol.RAW
    ) -> None:
        super().__init__(loop, name, protocol)
        self._listening: socket.socket | None = None
        self._accepting: asyncio.Task[None] | None = None

    def start(self, listening: socket.socket) -> None:
        """Accept clients from a listening, non-blocking socket until `shut`."""
        self._listening = listening
        self._accepting = self.loop.create_task(accept_clients(listening, self._accept))

    async def shut(self) -> None:
        """Stop accepting clients and free the port."""
        if self._accepting is not None:
            self._accepting.cancel()
            # The loop still watches the socket until the task has ended.
            await asyncio.wait([self._accepting])
        if self._listening is not None:
            self._listening.close()

    def _accept(self) -> SocketSide:
        return ProxiedConnection(self, self._session_of).client

    def _session_of(self, connection: ProxiedConnection) -> Session | None:
        return session_for(self.protocol, ConnectionOutlet(connection))

    def lead(self, upstream: tuple[str, int] | None) -> None:
        """Connect new clients to `upstream`; with None they wait for the next address."""
        self.upstream = upstream
        if upstream is None:
            self.led.clear()
        else:
            self.led.set()

    def gate(self, keeper: Gatekeeper | None) -> None:
        """Replace the gatekeeper and forward every held boundary; None: observe only."""
        if keeper is self.keeper:
            return
        self.keeper = keeper
        for connection in list(self.connections):
            connection.guarded(lambda session: session.gate_changed())

    def cut(self) -> int:
        """Reset every open connection and return their number."""
        connections = list(self.connections)
        for connection in connections:
            connection.reset()
        self.counts.resets += len(connections)
        return len(connections)
