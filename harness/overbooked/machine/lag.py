"""Measures how late the event loops of this process are, and whether that explains a missing answer.

A watched loop expects a call every `TICK_S` seconds. While the call is late, the loop can neither send nor
receive nor forward data.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from overbooked.machine import troubles

TICK_S = 0.05
# A smaller delay is within the granularity of the operating system's scheduler.
_WORTH_NOTING_S = 0.02
_KEPT = 5_000
# The lateness that explains a time-out: at least this share of the wait and this many seconds.
SHARE = 0.25
LEAST_S = 1.0

SCENARIO, RELAY = "scenario", "relay"


class LoopWatch:
    """Measures how late one event loop is; create and stop it in the loop's thread.

    Args:
        loop: the loop to measure.
        name: the loop's purpose, e.g. `relay`.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, name: str) -> None:
        self.name = name
        self._loop = loop
        self._late = _late_by_name.setdefault(name, deque(maxlen=_KEPT))
        self._expected = time.monotonic() + TICK_S
        self._handle: asyncio.TimerHandle | None = loop.call_later(TICK_S, self._tick)
        _watches.append(self)

    def stop(self) -> None:
        """Stop measuring; `conditions` still reports the measurements."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
        if self in _watches:
            _watches.remove(self)

    def _tick(self) -> None:
        now = time.monotonic()
        if now - self._expected > _WORTH_NOTING_S:
            self._late.append((self._expected, now))
        self._expected = now + TICK_S
        self._handle = self._loop.call_later(TICK_S, self._tick)

    def late_s(self, begun: float, ended: float) -> float:
        """How many seconds between two moments the loop was late, including a tick that is overdue now."""
        pieces = [*list(self._late), (self._expected, time.monotonic())]
        return sum(max(0.0, min(to, ended) - max(at, begun)) for at, to in pieces)


_watches: list[LoopWatch] = []
# Periods between the expected and the actual call, by loop name.
_late_by_name: dict[str, deque[tuple[float, float]]] = {}


@contextmanager
def watched(name: str = SCENARIO) -> Iterator[LoopWatch]:
    """Watch the running event loop during a block."""
    watch = LoopWatch(asyncio.get_running_loop(), name)
    try:
        yield watch
    finally:
        watch.stop()


def excuses(begun: float, ended: float, *, only: str = "") -> bool:
    """Whether this process was so late that a time-out is no evidence about the system.

    If it was, that is noted in `troubles`, so that the verdict is inconclusive.

    Args:
        begun, ended: the start and end of the wait, by `time.monotonic`.
        only: the name of the loops to consider; "" means all.
    """
    wait = ended - begun
    late = max((one.late_s(begun, ended) for one in list(_watches) if only in {"", one.name}), default=0.0)
    if late < LEAST_S or late < SHARE * wait:
        return False
    troubles.note(
        f"this process was late by {late:.1f} s of the {wait:.1f} s in which an answer was awaited "
        f"({load()}); run with fewer `--workers`, or where nothing else runs"
    )
    return True


def load() -> str:
    """The load of the machine as a phrase for messages."""
    return f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"


def conditions(begun: float) -> dict[str, Any]:
    """The machine's load averages and cores, and each loop's lateness in ms since a moment, as JSON data."""
    late: dict[str, dict[str, int]] = {}
    for name, pieces in list(_late_by_name.items()):
        each = [to - max(at, begun) for at, to in list(pieces) if to > begun]
        late[name] = {"worst": round(max(each, default=0.0) * 1000), "sum": round(sum(each) * 1000)}
    return {
        "load": [round(each, 1) for each in os.getloadavg()],
        "cores": os.cpu_count(),
        "late_ms": late,
    }
