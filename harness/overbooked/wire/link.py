"""One link's relay as its users see it: address, counts, tripwires, cut, gate.

Counts are written by the relay's thread alone and read by any; a tripwire fires in that thread.
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
class Counts:
    """The live counts of a link; `trip_at` is the message number at which a tripwire waits."""

    connections: int = 0
    messages: int = 0
    replies: int = 0
    bytes_up: int = 0
    bytes_down: int = 0
    resets: int = 0
    closes: int = 0
    trip_at: float = math.inf

    def snapshot(self) -> Traffic:
        """An immutable copy."""
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
    """A tripwire: calls its action once, when message number `at` is about to be passed on."""

    __slots__ = ("_action", "_wires", "at", "fired")

    def __init__(self, wires: Tripwires, at: int, action: Callable[[], None]) -> None:
        self._wires = wires
        self._action = action
        self.at = at
        self.fired = False

    def disarm(self) -> None:
        """Never fire; without effect once it has fired."""
        self._wires.remove(self)

    def fire(self) -> None:
        """Run the action; called by the relay only."""
        self.fired = True
        self._action()


class Tripwires:
    """The tripwires waiting on one link."""

    def __init__(self, counts: Counts) -> None:
        self._counts = counts
        self._lock = threading.Lock()
        self._waiting: list[Trip] = []

    def arm(self, after_messages: int, action: Callable[[], None]) -> Trip:
        """Wait for the n-th message from now (1 is the next one).

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
        """Forget a tripwire."""
        with self._lock:
            if trip in self._waiting:
                self._waiting.remove(trip)
            self._set()

    def reached(self) -> None:
        """Fire everything due at the current message; an action that raises fires no less."""
        with self._lock:
            due = [trip for trip in self._waiting if trip.at <= self._counts.messages]
            self._waiting = [trip for trip in self._waiting if trip not in due]
            self._set()
        for trip in due:
            trip.fire()

    def _set(self) -> None:
        self._counts.trip_at = min((trip.at for trip in self._waiting), default=math.inf)


class Control(Protocol):
    """What a link asks of its relay; each runs in the relay's thread and returns when it is done."""

    @property
    def loop(self) -> asyncio.AbstractEventLoop: ...

    def cut(self) -> int: ...

    def gate(self, keeper: Gatekeeper | None) -> None: ...

    def call(self, act: Callable[[], _T]) -> _T: ...

    def troubles(self) -> tuple[str, ...]: ...


@dataclass(slots=True)
class RelayLink:
    """A named connection through our relay and Toxiproxy; satisfies `overbooked.stacks.base.protocol.Link`.

    `protocol` is what the gate follows on it; `toxiproxy` is the proxy's name at the stack's Toxiproxy
    ("" when there is none), `address` where clients connect and `upstream` where the relay does.
    `keeps_bookings` says whether it leads to the store in which the system keeps its bookings.
    """

    name: str
    toxiproxy: str
    address: tuple[str, int]
    upstream: tuple[str, int] | None
    counts: Counts
    tripwires: Tripwires
    control: Control = field(repr=False)
    protocol: WireProtocol = WireProtocol.RAW
    keeps_bookings: bool = False

    def traffic(self) -> Traffic:
        """Counts so far; cheap, callable from any thread."""
        return self.counts.snapshot()

    def arm(self, *, after_messages: int, action: Callable[[], None]) -> Trip:
        """Call `action` once, in the relay's thread, before the n-th message from now is passed on.

        Raises:
            ValueError: `after_messages` is below 1.
        """
        return self.tripwires.arm(after_messages, action)

    def cut(self) -> int:
        """Reset every connection now open on the link; returns how many there were.

        Raises:
            DeadlineExceeded: the relay's thread did not get to it within five seconds.
        """
        return self.control.cut()

    def gate(self, keeper: Gatekeeper | None) -> None:
        """Have `keeper` decide about this link's boundaries, from the next one on; from any thread.

        None observes only: everything held is passed on, and what it held asks nobody any more. On a
        link of protocol RAW there are no boundaries and a keeper is never asked.

        Raises:
            DeadlineExceeded: the relay's thread did not get to it within five seconds.
        """
        self.control.gate(keeper)

    def call(self, act: Callable[[], _T]) -> _T:
        """Run `act` in the relay's thread (at once when called there) and return what it returns.

        Raises:
            DeadlineExceeded: the relay's thread did not get to it within five seconds.
        """
        return self.control.call(act)

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The relay's loop, shared by all links of a stack, for timers of a keeper."""
        return self.control.loop

    def troubles(self) -> tuple[str, ...]:
        """Why connections of this link could not be followed and were reset: each reason once, in order."""
        return self.control.troubles()
