"""Double bookings proven by an interval sweep, in near-linear time, where booking ids are unique.

A booking certainly holds a place from the answer that made it to the moment somebody first asked to end
it. When more bookings certainly hold a place at one moment than the slot can have had, it was oversold,
whatever the order of anything else. What may be innocent is not reported: unlike the search, the sweep
proves guilt only, but of a million operations in seconds.
"""

from __future__ import annotations

import heapq
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from harness.histories.history import History
from harness.histories.operation import Operation

_FOREVER = float("inf")

# (from, to, what made the booking be there): it held a place at every moment in between.
_Stay: TypeAlias = tuple[float, float, Operation | None]


@dataclass(frozen=True, slots=True)
class Oversold:
    """A moment at which a slot certainly held more bookings than it had places.

    `operations` made the bookings that held the places; `already` more held one from the start.
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
        history: operations as the slot model reads them; slots of no known capacity are passed over.
        capacities: capacity of each slot when the history began.
        bookings: the slot of each booking that was confirmed already, by booking id.
    """
    makers: dict[str, Operation] = {}
    leaving: dict[str, list[Operation]] = {}
    resizes: dict[str, list[Operation]] = {}
    for op in history.operations:
        if op.refused:
            continue
        if op.verb == "book":
            if op.ok:
                # The same id again is the same booking, answered once more.
                makers.setdefault(op.result, op)
        elif op.verb == "resize":
            resizes.setdefault(op.args["slot"], []).append(op)
        elif op.verb in {"cancel", "reschedule"}:
            leaving.setdefault(op.args["booking"], []).append(op)

    stays: dict[str, list[_Stay]] = {slot: [] for slot in capacities}
    for booking, slot in (bookings or {}).items():
        _stay(stays, slot, -_FOREVER, None, leaving.get(booking, ()))
    for booking, op in makers.items():
        _stay(stays, op.args["slot"], op.completed_at or 0.0, op, leaving.get(booking, ()))
    found = (_sweep(slot, stays[slot], capacities[slot], resizes.get(slot, ())) for slot in capacities)
    return tuple(oversale for oversale in found if oversale)


def _stay(
    stays: Mapping[str, list[_Stay]],
    slot: str,
    since: float,
    made_by: Operation | None,
    leaving: Sequence[Operation],
) -> None:
    """Note where a booking certainly was, as long as its operations follow one another."""
    for op in leaving:
        if slot in stays and since < op.invoked_at:
            stays[slot].append((since, op.invoked_at, made_by))
        if since >= op.invoked_at or not op.ok or op.verb == "cancel" or op.completed_at is None:
            return
        slot, since, made_by = op.args["to"], op.completed_at, op
    if slot in stays:
        stays[slot].append((since, _FOREVER, made_by))


def _sweep(slot: str, stays: Sequence[_Stay], capacity: int, resizes: Sequence[Operation]) -> Oversold | None:
    starts = sorted([stay[0] for stay in stays])
    ends = sorted([stay[1] for stay in stays])
    ceiling = _Ceiling(capacity, resizes) if resizes else None
    ended = 0
    for started, at in enumerate(starts, start=1):
        # Equal moments are no order: what ends at this one had ended.
        while ends[ended] <= at:
            ended += 1
        if ceiling is not None:
            capacity = ceiling.at(at)
        if started - ended > capacity:
            holding = [made_by for since, until, made_by in stays if since <= at < until]
            operations = tuple(op for op in holding if op is not None)
            return Oversold(
                slot, at, capacity, started - ended, operations, already=len(holding) - len(operations)
            )
    return None


class _Ceiling:
    """The largest capacity that can have been in force, at moments asked for in rising order.

    A capacity can be in force from the call of its resize until a resize called after that one's return
    has returned; one of unknown outcome for ever, as it may come at any time.
    """

    def __init__(self, capacity: int, resizes: Iterable[Operation]) -> None:
        spans: list[tuple[float, float, int]] = [(-_FOREVER, -_FOREVER, capacity)]
        for op in resizes:
            returned = op.completed_at if op.ok and op.completed_at is not None else _FOREVER
            spans.append((op.invoked_at, returned, op.args["capacity"]))
        spans.sort()
        calls = [called for called, _, _ in spans]
        # soonest[i]: when the first of the resizes called i-th or later has returned.
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
