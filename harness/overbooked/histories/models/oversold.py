"""Proof of double bookings by an interval sweep, in near-linear time, for unique booking ids.

A booking certainly holds a place from the answer that confirmed it to the first request to end it. If at
one moment more bookings certainly hold a place than the slot can have had, it was oversold in every
order. The sweep is sound and not complete: it reports certain violations only, but takes seconds for a
million operations.
"""

from __future__ import annotations

import heapq
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from overbooked.histories.history import History
from overbooked.histories.operation import Operation
from overbooked.targets.adapter import Outcome

_FOREVER = float("inf")


@dataclass(slots=True)
class _Stays:
    """The certain stays in one slot: start, end, and the operation that made the booking.

    Stored as columns: with a million small objects, garbage collection would take half the time.
    """

    since: list[float] = field(default_factory=list)
    until: list[float] = field(default_factory=list)
    made_by: list[Operation | None] = field(default_factory=list)

    def add(self, since: float, until: float, made_by: Operation | None) -> None:
        self.since.append(since)
        self.until.append(until)
        self.made_by.append(made_by)


@dataclass(frozen=True, slots=True)
class Oversold:
    """A moment at which a slot certainly held more bookings than it had places.

    `operations` made the bookings that held a place; `already` counts those that held one from the start.
    """

    slot: str
    at: float
    capacity: int
    held: int
    operations: tuple[Operation, ...]
    already: int = 0


def oversold(
    history: History, capacities: Mapping[str, int], bookings: Mapping[str, str] | None = None
) -> tuple[Oversold, ...]:
    """The first certain overselling of each slot, in order of slots.

    Args:
        history: operations of the slot model; slots without a known capacity are ignored.
        capacities: capacity of each slot at the start of the history.
        bookings: the slot of each booking confirmed before the history, by booking id.
    """
    makers: dict[str, Operation] = {}
    leaving: dict[str, Operation] = {}  # the first operation that ends a stay
    moving_on: dict[str, list[Operation]] = {}  # further ones, for the few bookings that have any
    resizes: dict[str, list[Operation]] = {}
    for op in history.operations:
        outcome, verb = op.outcome, op.verb
        if outcome is Outcome.REFUSED:
            continue
        if verb == "book":
            if outcome is Outcome.OK:
                # A repeated id is the same booking, answered again.
                makers.setdefault(op.result, op)
        elif verb == "resize":
            resizes.setdefault(op.args["slot"], []).append(op)
        elif verb in {"cancel", "reschedule"}:
            booking = op.args["booking"]
            if leaving.setdefault(booking, op) is not op:
                moving_on.setdefault(booking, []).append(op)

    stays = {slot: _Stays() for slot in capacities}
    for booking, slot in (bookings or {}).items():
        _stay(stays, slot, -_FOREVER, None, leaving.get(booking), moving_on.get(booking, ()))
    for booking, op in makers.items():
        at = op.completed_at or 0.0
        _stay(stays, op.args["slot"], at, op, leaving.get(booking), moving_on.get(booking, ()))
    found = (_sweep(slot, stays[slot], capacities[slot], resizes.get(slot, ())) for slot in capacities)
    return tuple(oversale for oversale in found if oversale)


def _stay(
    stays: Mapping[str, _Stays],
    slot: str,
    since: float,
    made_by: Operation | None,
    leaving: Operation | None,
    moving_on: Sequence[Operation],
) -> None:
    """Record where a booking certainly was, while its operations are sequential."""
    left = 0
    while leaving is not None:
        if slot in stays and since < leaving.invoked_at:
            stays[slot].add(since, leaving.invoked_at, made_by)
        if leaving.verb == "cancel" or leaving.completed_at is None or not leaving.ok:
            return
        if since >= leaving.invoked_at:
            return
        slot, since, made_by = leaving.args["to"], leaving.completed_at, leaving
        leaving = moving_on[left] if left < len(moving_on) else None
        left += 1
    if slot in stays:
        stays[slot].add(since, _FOREVER, made_by)


def _sweep(slot: str, stays: _Stays, capacity: int, resizes: Sequence[Operation]) -> Oversold | None:
    ends = sorted(stays.until)
    ceiling = _Ceiling(capacity, resizes) if resizes else None
    ended = 0
    for started, at in enumerate(sorted(stays.since), start=1):
        # Equal timestamps are no order: a stay that ends now counts as ended.
        while ends[ended] <= at:
            ended += 1
        if ceiling is not None:
            capacity = ceiling.at(at)
        if started - ended > capacity:
            holding = [
                made_by
                for since, until, made_by in zip(stays.since, stays.until, stays.made_by, strict=True)
                if since <= at < until
            ]
            operations = tuple(op for op in holding if op is not None)
            return Oversold(
                slot, at, capacity, started - ended, operations, already=len(holding) - len(operations)
            )
    return None


class _Ceiling:
    """The largest capacity that was possibly in effect; moments must be queried in ascending order.

    A capacity is possible from the call of its resize until the return of a resize that was called after
    the first one returned. With an unknown outcome it stays possible for ever.
    """

    def __init__(self, capacity: int, resizes: Iterable[Operation]) -> None:
        spans: list[tuple[float, float, int]] = [(-_FOREVER, -_FOREVER, capacity)]
        for op in resizes:
            returned = op.completed_at if op.ok and op.completed_at is not None else _FOREVER
            spans.append((op.invoked_at, returned, op.args["capacity"]))
        spans.sort()
        calls = [called for called, _, _ in spans]
        # soonest[i]: the earliest return among the resizes called i-th or later.
        soonest = [_FOREVER]
        for _, returned, _ in reversed(spans):
            soonest.append(min(soonest[-1], returned))
        soonest.reverse()
        self._coming = [
            (called, soonest[bisect_right(calls, returned)], size) for called, returned, size in spans
        ]
        self._coming.reverse()
        self._possible: list[tuple[int, float]] = []  # largest first: (-size, until)

    def at(self, moment: float) -> int:
        while self._coming and self._coming[-1][0] <= moment:
            _, until, size = self._coming.pop()
            heapq.heappush(self._possible, (-size, until))
        while self._possible[0][1] < moment:
            heapq.heappop(self._possible)
        return -self._possible[0][0]
