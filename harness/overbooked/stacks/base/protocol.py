"""A stack: one running system under test with its dependencies, links and control handles."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Traffic:
    """What has crossed a link since its stack started.

    `messages` counts chunks from client to server, `replies` chunks the other way; with the plain
    relay a chunk is one read, with the gate one protocol message.
    """

    connections: int = 0
    messages: int = 0
    replies: int = 0
    bytes_up: int = 0
    bytes_down: int = 0
    resets: int = 0
    closes: int = 0  # connections that one side or the other has ended, resets among them

    def since(self, before: Traffic) -> Traffic:
        """What crossed after `before` was read."""
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
    """A named, faultable connection: `client -> relay (counts) -> Toxiproxy -> server`."""

    @property
    def name(self) -> str:
        """E.g. `app->postgres`."""

    @property
    def toxiproxy(self) -> str:
        """The proxy's name at the stack's Toxiproxy."""

    @property
    def address(self) -> tuple[str, int]:
        """Where the client connects (the relay)."""

    def traffic(self) -> Traffic:
        """Counts so far; cheap, callable from any thread."""

    def arm(self, *, after_messages: int, action: Callable[[], None]) -> Tripwire:
        """Call `action` when the n-th message from now is about to be passed on (1 is the next one).

        It is called once, in the relay's thread, before the message is forwarded, and must be quick
        (send a signal, set an event); the message is forwarded when it returns.
        """

    def cut(self) -> int:
        """Reset (RST) every connection now open on the link; returns how many there were."""


class Process(Protocol):
    """One process or container of the stack: `app`, `app-2`, `provider`, `postgres`, `redis`."""

    @property
    def name(self) -> str: ...

    @property
    def pid(self) -> int | None:
        """Process id while it is a local process (also a container's, as the host sees it)."""

    def alive(self) -> bool: ...

    def kill(self) -> None:
        """SIGKILL, reaped; returns when it is gone."""

    def pause(self) -> None:
        """SIGSTOP (or the container's pause)."""

    def resume(self) -> None: ...

    async def start(self) -> None:
        """Start it again after `kill` on the same addresses; returns when it is healthy."""

    def log_tail(self, lines: int = 40) -> list[str]: ...

    def memory_bytes(self) -> int:
        """Resident set size now, of the whole process tree."""


class Stack(Protocol):
    """A started stack. `Stack.close` is idempotent and leaves nothing behind."""

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
        """Direct URLs by service name: `app`, `app-2`, `provider`."""

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
        """Fresh database from the migrated template, fresh Redis and provider, service restarted
        with the mutant (None: healthy). Links stay, their toxics are removed."""

    async def heal(self) -> None:
        """Remove every toxic, resume and restart every process that is paused or dead."""

    async def check(self) -> None:
        """Raise SystemDied or StackError when a part has died that no fault of ours took down."""

    async def close(self) -> None: ...

    def log_tail(self, process: str, lines: int = 40) -> list[str]: ...
