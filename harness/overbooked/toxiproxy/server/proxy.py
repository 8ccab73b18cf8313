"""A proxy: where it listens, where it leads, its toxics and its connections."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import Any

from overbooked.toxiproxy.server import addresses
from overbooked.toxiproxy.server.connection import Connection, Side
from overbooked.toxiproxy.server.errors import toxic_exists, toxic_not_found
from overbooked.toxiproxy.server.metrics import Count, Labels, Metrics
from overbooked.toxiproxy.server.randomness import Draws
from overbooked.toxiproxy.server.toxics import UPSTREAM, Toxic, change_toxic, read_toxic


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Where a proxy gets its chance from, and who measures it."""

    draws: Draws
    metrics: Metrics


class Proxy:
    """One proxy. Everything here runs in the event loop; changes are made one at a time (api.py).

    Args:
        name: unique in its server.
        listen: `host:port`; once started, what it was resolved to.
        upstream: `host:port`, resolved anew for each connection.
    """

    def __init__(self, name: str, listen: str, upstream: str, surroundings: Surroundings) -> None:
        self.name = name
        self.listen = listen
        self.upstream = upstream
        self.enabled = False
        self.draws = surroundings.draws
        self._metrics = surroundings.metrics
        self.toxics: list[Toxic] = []
        # A set in the order of acceptance.
        self.connections: dict[Connection, None] = {}
        self._accepted = 0
        self._server: asyncio.Server | None = None

    def as_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "listen": self.listen,
            "upstream": self.upstream,
            "enabled": self.enabled,
            "Logger": {},  # the original lets its logger slip into its JSON
            "toxics": self.toxics_as_list(),
        }

    def upstream_address(self) -> tuple[str, int]:
        """Where to connect to.

        Raises:
            ValueError: it names no host and port.
        """
        host, port = addresses.split(self.upstream)
        return host or "localhost", int(port)

    def count(self, direction: int) -> Count | None:
        """Where the bytes of a new connection are counted, None when nobody asked."""
        name = "upstream" if direction == UPSTREAM else "downstream"
        return self._metrics.count(Labels(name, self.listen, self.name, self.upstream))

    # -- listening -----------------------------------------------------------------------------

    async def start(self) -> None:
        """Listen; without effect when it does.

        Raises:
            ApiError: the address cannot be listened on; the proxy stays disabled.
        """
        if self.enabled:
            return
        sock = await addresses.listen(self.listen)
        self.listen = addresses.listening_at(sock)
        self._server = await asyncio.get_running_loop().create_server(
            self._accept,  # type: ignore[arg-type]  # a Side is a protocol in all but its base class
            sock=sock,
        )
        self.enabled = True

    def _accept(self) -> Side:
        number = self._accepted
        self._accepted += 1
        return Connection(self, number).client

    def stop(self) -> None:
        """Stop listening and close every connection."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self.enabled = False
        for connection in list(self.connections):
            connection.abort()

    async def differs(self, listen: str, upstream: str) -> bool:
        """Whether it would have to be made anew for these.

        Raises:
            ApiError: `listen` is no address.
        """
        return self.listen != await addresses.resolve(listen) or self.upstream != upstream

    async def update(self, listen: str, upstream: str, enabled: bool) -> None:
        """Take other addresses, closing what is connected, and be enabled or not.

        Raises:
            ApiError: an address cannot be resolved or listened on.
        """
        if await self.differs(listen, upstream):
            self.stop()
            self.listen, self.upstream = listen, upstream
        if enabled and not self.enabled:
            await self.start()
        elif not enabled:
            self.stop()

    # -- toxics --------------------------------------------------------------------------------

    def toxics_as_list(self) -> list[dict[str, Any]]:
        """The toxics as the API lists them: upstream before downstream, else as they came."""
        return [toxic.as_dict() for toxic in sorted(self.toxics, key=lambda toxic: toxic.direction)]

    def toxic(self, name: str) -> Toxic:
        """A toxic by name.

        Raises:
            ApiError: there is none.
        """
        for toxic in self.toxics:
            if toxic.name == name:
                return toxic
        raise toxic_not_found()

    def add_toxic(self, body: Any) -> Toxic:
        """Add a toxic from a parsed request body, to the connections there are too.

        Raises:
            ApiError: as `read_toxic`, or the name is taken.
        """
        toxic = read_toxic(body, self._must_be_free)
        toxic.rank_offset = len(self.connections) - self._accepted
        self.toxics.append(toxic)
        for rank, connection in enumerate(self.connections):
            if connection.open:  # the others will meet it when they are
                connection.meet(toxic, rank)
        return toxic

    def _must_be_free(self, name: str) -> None:
        if any(toxic.name == name for toxic in self.toxics):
            raise toxic_exists()

    def update_toxic(self, name: str, body: Any) -> Toxic:
        """Change a toxic's attributes and toxicity.

        Raises:
            ApiError: there is none of that name, or the body is bad.
        """
        toxic = self.toxic(name)
        change_toxic(toxic, body)
        for connection in self.connections:
            connection.update(toxic)
        return toxic

    def remove_toxic(self, toxic: Toxic) -> None:
        """Take a toxic away, from the connections there are too."""
        self.toxics.remove(toxic)
        for connection in list(self.connections):
            connection.part(toxic)

    def remove_toxics(self) -> None:
        """Take every toxic away."""
        for toxic in list(self.toxics):
            self.remove_toxic(toxic)

    async def close(self) -> None:
        """Stop, and wait until the listening socket is gone."""
        server = self._server
        self.stop()
        if server is not None:
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(server.wait_closed(), 1.0)
