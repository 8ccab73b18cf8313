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

    def since(self, before: Traffic) -> Traffic:
        """What crossed after `before` was read."""
        return Traffic(
            self.connections - before.connections,
            self.messages - before.messages,
            self.replies - before.replies,
            self.bytes_up - before.bytes_up,
            self.bytes_down - before.bytes_down,
            self.resets - before.resets,
        )


class Tripwire(Protocol):
    """Fires once at a given message of a link; see `Link.arm`."""

    @property
    def fired(self) -> bool: ...

    def disarm(self) -> None: ...


class Link(Protocol):
    """A named, faultable connection: `client -> relay (counts) -> Toxiproxy -> server`."""

    name: str  # e.g. "app->postgres"
    toxiproxy: str  # the proxy's name at the stack's Toxiproxy
    address: tuple[str, int]  # where the client connects (the relay)

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

    name: str

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

    id: str
    kind: str  # "embedded" | "containers" | "external"
    links: Mapping[str, Link]
    processes: Mapping[str, Process]
    versions: Mapping[str, str]
    toxiproxy_url: str
    urls: Mapping[str, str]  # direct URLs by service name: "app", "app-2", "provider"
    dsns: Mapping[str, str]  # direct database URLs by role
    replicas: Sequence[str]  # names of the service's replicas, in order
    client_url: str  # base URL of `client->app`, through its link
    mutant: str | None

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
