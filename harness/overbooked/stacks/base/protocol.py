"""The interface of a stack: a running system under test with its dependencies, links and processes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Traffic:
    """The traffic of a link since its stack started.

    `messages` counts chunks from client to server, `replies` chunks in the other direction; a chunk is the
    data returned by one read.
    """

    connections: int = 0
    messages: int = 0
    replies: int = 0
    bytes_up: int = 0
    bytes_down: int = 0
    resets: int = 0
    closes: int = 0  # connections ended by either side, including resets

    def since(self, before: Traffic) -> Traffic:
        """The traffic since `before` was taken."""
        return Traffic(
            self.connections - before.connections,
            self.messages - before.messages,
            self.replies - before.replies,
            self.bytes_up - before.bytes_up,
            self.bytes_down - before.bytes_down,
            self.resets - before.resets,
            self.closes - before.closes,
        )


class Tripwire(Protocol):
    """Fires once at a given message of a link; see `Link.arm`."""

    @property
    def fired(self) -> bool: ...

    def disarm(self) -> None: ...


class Link(Protocol):
    """A named connection that faults can target: `client -> relay (counts) -> Toxiproxy -> server`."""

    @property
    def name(self) -> str:
        """The link's name, e.g. `app->postgres`."""

    @property
    def toxiproxy(self) -> str:
        """The proxy's name at the stack's Toxiproxy."""

    @property
    def address(self) -> tuple[str, int]:
        """The relay's address, to which the client connects."""

    def traffic(self) -> Traffic:
        """Return the counts so far; cheap, callable from any thread."""

    def arm(self, *, after_messages: int, action: Callable[[], None]) -> Tripwire:
        """Call `action` just before the n-th message from now is forwarded (1 is the next one).

        It is called once, in the relay's thread, and must return quickly (send a signal, set an event); the
        message is forwarded when it returns.
        """

    def cut(self) -> int:
        """Reset (RST) every open connection of the link; return their number."""


class Process(Protocol):
    """One process or container of the stack: `app`, `app-2`, `payments`, `postgres`, `redis`."""

    @property
    def name(self) -> str: ...

    @property
    def pid(self) -> int | None:
        """The process id on this host, also for a container; None if unknown or not running."""

    def alive(self) -> bool: ...

    def kill(self) -> None:
        """Kill it with SIGKILL and reap it; returns when it has ended."""

    def pause(self) -> None:
        """Pause it with SIGSTOP (or the container engine's pause)."""

    def resume(self) -> None: ...

    async def start(self) -> None:
        """Start it again after `kill`, at the same addresses; returns when it is healthy."""

    def log_tail(self, lines: int = 40) -> list[str]: ...

    def memory_bytes(self) -> int:
        """The current resident set size of the process tree, in bytes."""


class Stack(Protocol):
    """A started stack. `Stack.close` is idempotent and removes all processes and files."""

    @property
    def id(self) -> str: ...

    @property
    def kind(self) -> str:
        """`embedded`, `containers` or `external`."""

    @property
    def links(self) -> Mapping[str, Link]: ...

    @property
    def processes(self) -> Mapping[str, Process]: ...

    @property
    def versions(self) -> Mapping[str, str]: ...

    @property
    def toxiproxy_url(self) -> str: ...

    @property
    def urls(self) -> Mapping[str, str]:
        """Direct URLs by service name: `app`, `app-2`, `payments`."""

    @property
    def dsns(self) -> Mapping[str, str]:
        """Direct database URLs by role: `owner`, `app`, `observer`, `admin`."""

    @property
    def replicas(self) -> Sequence[str]:
        """Names of the service's replicas, in order."""

    @property
    def client_url(self) -> str:
        """Base URL of `client->app`, through its link."""

    @property
    def mutant(self) -> str | None: ...

    async def start(self) -> None: ...

    async def renew(self, *, mutant: str | None) -> None:
        """Renew the database from the migrated template, Redis and the provider, and restart the service.

        The service runs with the mutant (None: healthy). Links stay open; their toxics are removed.
        """

    async def heal(self) -> None:
        """Remove every toxic, resume paused processes and restart dead ones."""

    async def check(self) -> None:
        """Raise SystemDied or StackError if a part ended and no injected fault ended it."""

    async def close(self) -> None: ...

    def log_tail(self, process: str, lines: int = 40) -> list[str]: ...
