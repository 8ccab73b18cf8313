"""The public side of a link's relay: address, counts, tripwires, cut, gate.

Only the relay's thread writes `LinkCounts`; any thread may read them. A tripwire fires in the relay's thread.
"""

from __future__ import annotations

import asyncio
import math
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from overbooked.stacks.base.protocol import Traffic
from overbooked.wire.gate.boundary import Gatekeeper, WireProtocol

_T = TypeVar("_T")


@dataclass(slots=True)
class LinkCounts:
    """The live counts of a link; `trip_at` is the number of the message that fires the next tripwire."""

    connections: int = 0
    messages: int = 0
    replies: int = 0
    bytes_up: int = 0
    bytes_down: int = 0
    resets: int = 0
    closes: int = 0
    trip_at: float = math.inf

    def snapshot(self) -> Traffic:
        """Return an immutable copy."""
        return Traffic(
            self.connections,
            self.messages,
            self.replies,
            self.bytes_up,
            self.bytes_down,
            self.resets,
            self.closes,
        )


class Trip:
    """A tripwire: calls its action once, just before message number `at` is forwarded."""

    __slots__ = ("_action", "_wires", "at", "fired")

    def __init__(self, wires: Tripwires, at: int, action: Callable[[], None]) -> None:
        self._wires = wires
        self._action = action
        self.at = at
        self.fired = False

    def disarm(self) -> None:
        """Disarm the tripwire; no effect after it has fired."""
        self._wires.remove(self)

    def fire(self) -> None:
        """Run the action; called by the relay only."""
        self.fired = True
        self._action()


class Tripwires:
    """The armed tripwires of one link."""

    def __init__(self, counts: LinkCounts) -> None:
        self._counts = counts
        self._lock = threading.Lock()
        self._waiting: list[Trip] = []

    def arm(self, after_messages: int, action: Callable[[], None]) -> Trip:
        """Arm a tripwire for the n-th message from now (1 is the next one).

        Raises:
            ValueError: `after_messages` is below 1.
        """
        if after_messages < 1:
            raise ValueError(f"after_messages counts from 1 (the next message), got {after_messages}")
        with self._lock:
            trip = Trip(self, self._counts.messages + after_messages, action)
            self._waiting.append(trip)
            self._set()
        return trip

    def remove(self, trip: Trip) -> None:
        """Remove a tripwire."""
        with self._lock:
            if trip in self._waiting:
                self._waiting.remove(trip)
            self._set()

    def reached(self) -> None:
        """Fire every tripwire that is due at the current message; one whose action raises counts as fired."""
        with self._lock:
            due = [trip for trip in self._waiting if trip.at <= self._counts.messages]
            self._waiting = [trip for trip in self._waiting if trip not in due]
            self._set()
        for trip in due:
            trip.fire()

    def _set(self) -> None:
        self._counts.trip_at = min((trip.at for trip in self._waiting), default=math.inf)


class Control(Protocol):
    """Operations on a link's relay; each runs in the relay's thread and returns when it is complete."""

    @property
    def loop(self) -> asyncio.AbstractEventLoop: ...

    def cut(self) -> int: ...

    def gate(self, keeper: Gatekeeper | None) -> None: ...

    def call(self, act: Callable[[], _T]) -> _T: ...

    def troubles(self) -> tuple[str, ...]: ...


@dataclass(slots=True)
class RelayLink:
    """A named connection through the relay and Toxiproxy; satisfies `overbooked.stacks.base.protocol.Link`.

    `protocol` is the protocol that the gate parses; `toxiproxy` is the proxy's name at the stack's Toxiproxy
    ("" if there is none). Clients connect to `address`, the relay connects to `upstream`. `keeps_bookings` is
    true if the link leads to the store in which the system keeps its bookings.
    """

    name: str
    toxiproxy: str
    address: tuple[str, int]
    upstream: tuple[str, int] | None
    counts: LinkCounts
    tripwires: Tripwires
    control: Control = field(repr=False)
    protocol: WireProtocol = WireProtocol.RAW
    keeps_bookings: bool = False

    def traffic(self) -> Traffic:
        """Return the counts so far; cheap, callable from any thread."""
        return self.counts.snapshot()

    def arm(self, *, after_messages: int, action: Callable[[], None]) -> Trip:
        """Call `action` once, in the relay's thread, just before the n-th message from now is forwarded.

        Raises:
            ValueError: `after_messages` is below 1.
        """
        return self.tripwires.arm(after_messages, action)

    def cut(self) -> int:
        """Reset every open connection of the link and return their number.

        Raises:
            DeadlineExceeded: the relay's thread did not run it within five seconds.
        """
        return self.control.cut()

    def gate(self, keeper: Gatekeeper | None) -> None:
        """Install `keeper`, which decides about this link's boundaries from the next one on.

        Callable from any thread. With None the gate only observes: held boundaries are forwarded without
        further callbacks. A link of protocol RAW has no boundaries, so a keeper is never called.

        Raises:
            DeadlineExceeded: the relay's thread did not run it within five seconds.
        """
        self.control.gate(keeper)

    def call(self, act: Callable[[], _T]) -> _T:
        """Run `act` in the relay's thread (directly if called there) and return its result.

        Raises:
            DeadlineExceeded: the relay's thread did not run it within five seconds.
        """
        return self.control.call(act)

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The relay's event loop, shared by all links of a stack; a keeper schedules its timers on it."""
        return self.control.loop

    def troubles(self) -> tuple[str, ...]:
        """The reasons, each once, for which connections of this link could not be parsed and were reset."""
        return self.control.troubles()
