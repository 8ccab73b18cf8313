"""A proxy: its addresses, toxics and connections."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from overbooked.machine.accepting import accept_clients
from overbooked.toxiproxy.server import addresses, limits
from overbooked.toxiproxy.server.connection import ClientConnection, Side
from overbooked.toxiproxy.server.errors import toxic_exists, toxic_not_found
from overbooked.toxiproxy.server.metrics import Count, Labels, Metrics
from overbooked.toxiproxy.server.randomness import Draws
from overbooked.toxiproxy.server.toxics import UPSTREAM, Toxic, change_toxic, read_toxic


@dataclass(frozen=True, slots=True)
class ProxyContext:
    """A proxy's source of randomness, and its metrics."""

    draws: Draws
    metrics: Metrics


class Proxy:
    """One proxy. Everything here runs in the event loop; changes are made one at a time (api.py).

    Args:
        name: the proxy's name, unique in its server.
        listen: `host:port`; after the start, the resolved address.
        upstream: `host:port`, resolved for each connection.
    """

    def __init__(self, name: str, listen: str, upstream: str, context: ProxyContext) -> None:
        self.name = name
        self.listen = listen
        self.upstream = upstream
        self.enabled = False
        self.draws = context.draws
        self._metrics = context.metrics
        self.toxics: list[Toxic] = []
        # An ordered set, in the order of acceptance.
        self.connections: dict[ClientConnection, None] = {}
        self._accepted = 0
        self._listening: socket.socket | None = None
        self._accepting: asyncio.Task[None] | None = None

    def as_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "listen": self.listen,
            "upstream": self.upstream,
            "enabled": self.enabled,
            "Logger": {},  # the original's JSON includes its logger by mistake
            "toxics": self.toxics_as_list(),
        }

    def upstream_address(self) -> tuple[str, int]:
        """The host and port to connect to.

        Raises:
            ValueError: the upstream is not a valid address.
        """
        host, port = addresses.split(self.upstream)
        return host or "localhost", int(port)

    def count(self, direction: int) -> Count | None:
        """The counter for the bytes of a new connection; None if counting is off."""
        name = "upstream" if direction == UPSTREAM else "downstream"
        return self._metrics.count(Labels(name, self.listen, self.name, self.upstream))

    # -- listening -----------------------------------------------------------------------------

    async def start(self) -> None:
        """Start listening; no effect if the proxy is enabled.

        Raises:
            ApiError: the address cannot be listened on; the proxy stays disabled.
        """
        if self.enabled:
            return
        sock = await addresses.listen(self.listen)
        self.listen = addresses.listening_at(sock)
        self._listening = sock
        # A Side has the methods of a protocol, but not the base class.
        accept = cast("Callable[[], asyncio.BaseProtocol]", self._accept)
        self._accepting = asyncio.create_task(accept_clients(sock, accept, limits.end_at_limit))
        self.enabled = True

    def _accept(self) -> Side:
        number = self._accepted
        self._accepted += 1
        return ClientConnection(self, number).client

    async def stop(self) -> None:
        """Stop listening, close every connection, and free the port."""
        self.enabled = False
        accepting, self._accepting = self._accepting, None
        listening, self._listening = self._listening, None
        if accepting is not None:
            accepting.cancel()
            # The event loop watches the socket until the task has ended.
            await asyncio.wait([accepting])
        if listening is not None:
            listening.close()
        for connection in list(self.connections):
            connection.abort()

    async def differs(self, listen: str, upstream: str) -> bool:
        """Whether these addresses differ from the current ones, after resolving `listen`.

        Raises:
            ApiError: `listen` is not a valid address.
        """
        return self.listen != await addresses.resolve(listen) or self.upstream != upstream

    async def update(self, listen: str, upstream: str, enabled: bool) -> None:
        """Enable or disable the proxy; a change of addresses closes all connections.

        Raises:
            ApiError: an address cannot be resolved or listened on.
        """
        if await self.differs(listen, upstream):
            await self.stop()
            self.listen, self.upstream = listen, upstream
        if enabled and not self.enabled:
            await self.start()
        elif not enabled:
            await self.stop()

    # -- toxics --------------------------------------------------------------------------------

    def toxics_as_list(self) -> list[dict[str, Any]]:
        """The toxics as the API lists them: upstream before downstream, then in the order of creation."""
        return [toxic.as_dict() for toxic in sorted(self.toxics, key=lambda toxic: toxic.direction)]

    def toxic(self, name: str) -> Toxic:
        """Return a toxic by name.

        Raises:
            ApiError: there is no such toxic.
        """
        for toxic in self.toxics:
            if toxic.name == name:
                return toxic
        raise toxic_not_found()

    def add_toxic(self, body: Any) -> Toxic:
        """Add a toxic from a parsed request body; it also affects open connections.

        Raises:
            ApiError: the name is taken, or as in `read_toxic`.
        """
        toxic = read_toxic(body, self._must_be_free)
        toxic.rank_offset = len(self.connections) - self._accepted
        self.toxics.append(toxic)
        for rank, connection in enumerate(self.connections):
            if connection.open:  # others get the toxic when they open
                connection.meet(toxic, rank)
        return toxic

    def _must_be_free(self, name: str) -> None:
        if any(toxic.name == name for toxic in self.toxics):
            raise toxic_exists()

    def update_toxic(self, name: str, body: Any) -> Toxic:
        """Change a toxic's attributes and toxicity.

        Raises:
            ApiError: there is no such toxic, or the body is invalid.
        """
        toxic = self.toxic(name)
        change_toxic(toxic, body)
        for connection in self.connections:
            connection.update(toxic)
        return toxic

    def remove_toxic(self, toxic: Toxic) -> None:
        """Remove a toxic, including from open connections."""
        self.toxics.remove(toxic)
        for connection in list(self.connections):
            connection.part(toxic)

    def remove_toxics(self) -> None:
        """Remove every toxic."""
        for toxic in list(self.toxics):
            self.remove_toxic(toxic)
