"""A pytest plugin for asyncpg's own suite: its managed clusters are reached over TCP, through the gate
when `CONFORMANCE_GATE` is `observe`, `hold` (every boundary held, let go and delivered at once) or `late`
(let go after 3 ms, delivered after 3 more) or `order` (every commit of an autocommit statement and every
end of a session a boundary of its own, let go at once).

A cluster that does not come up (a build without TLS) fails at once instead of after a minute.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import Any

from asyncpg import cluster as pg

from overbooked.wire.gate.boundary import Boundary, Held, WireProtocol
from overbooked.wire.relay import Relays

_MODE = os.environ.get("CONFORMANCE_GATE", "none")
# `raw` tells what a relay alone changes.
_PROTOCOL = WireProtocol.RAW if _MODE == "raw" else WireProtocol.POSTGRES


LATE_S = 0.003


class PassAll:
    """Holds everything and lets it go; counts, so that nobody takes a bypass for a pass.

    Args:
        delay_s: how long it holds a boundary, and its answer.
    """

    def __init__(self, delay_s: float = 0.0) -> None:
        self.held = 0
        self.troubles: list[str] = []
        self._delay_s = delay_s

    def on_request(self, held: Held) -> None:
        self.held += 1
        self._later(held.go)

    def on_reply(self, held: Held) -> None:
        self._later(held.deliver)

    def _later(self, decide: Callable[[], None]) -> None:
        if self._delay_s:
            asyncio.get_running_loop().call_later(self._delay_s, decide)
        else:
            decide()

    def on_close(self, link: str, connection: int, held: Held | None) -> None:
        pass

    def on_error(self, link: str, connection: int, why: str) -> None:
        self.troubles.append(why)
        print(f"BROKEN {link}: {why}", flush=True)  # noqa: T201 - read by whoever looks for the cause


class OrderAll(PassAll):
    """Takes every commit apart, and every end of a session."""

    holds_ends = True

    def holds_commit_of(self, _: Boundary) -> bool:
        return True

    def ends_no_transaction(self, _: Boundary) -> bool:
        return False


class _Led:
    """One link for each port of a cluster, opened when it is first asked for."""

    def __init__(self) -> None:
        self._relays = Relays()
        self._ports: dict[int, int] = {}

    def real(self, port: int) -> int:
        """The cluster's own port, by the link's: a suite that starts a cluster again names what it knows."""
        return next((real for real, led in self._ports.items() if led == port), port)

    def port(self, real: int) -> int:
        if real not in self._ports:
            link = self._relays.open(f"port {real}", upstream=("127.0.0.1", real), protocol=_PROTOCOL)
            if _MODE == "order":
                link.gate(OrderAll())
            elif _MODE in {"hold", "late"}:
                link.gate(PassAll(LATE_S if _MODE == "late" else 0.0))
            self._ports[real] = link.address[1]
        return self._ports[real]


def pytest_configure() -> None:
    led = None if _MODE == "none" else _Led()
    address = pg.Cluster._connection_addr_from_pidfile
    test_connection = pg.Cluster._test_connection
    start = pg.Cluster.start

    def at_its_own_port(self: Any, *words: Any, **options: Any) -> None:
        if led and options.get("port", "dynamic") != "dynamic":
            options["port"] = led.real(int(options["port"]))
        start(self, *words, **options)

    def over_tcp(self: Any) -> dict[str, str] | None:
        found = address(self)
        if found is None:
            if self._daemon_process is not None and self._daemon_process.poll() is not None:
                raise pg.ClusterError("the server has ended at once")
            return None
        real = int(found["port"])
        return {"host": "127.0.0.1", "port": str(led.port(real) if led else real)}

    def quickly(self: Any, timeout: int = 60) -> Any:
        pause, pg.time.sleep = pg.time.sleep, lambda _: pause(0.1)
        try:
            return test_connection(self, timeout * 10)
        finally:
            pg.time.sleep = pause

    pg.Cluster._connection_addr_from_pidfile = over_tcp
    pg.Cluster._test_connection = quickly
    pg.Cluster.start = at_its_own_port
