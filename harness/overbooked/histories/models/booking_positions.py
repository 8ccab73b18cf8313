"""The slot of a booking before each operation on it, for bookings that need no search.

Most bookings are used by one client, one operation after another. Then the slot of the booking is certain
and its id does not matter: cancelling it frees *a* place of that slot. Moves without a booking id are
equal to one another, which the search exploits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from overbooked.histories.model import Entry
from overbooked.histories.operation import Operation

# A verb with the names of slots, bookings and keys, e.g. ("book", slot, booking or None).
NamedMove: TypeAlias = tuple[Any, ...]
NOTHING: Final[NamedMove] = ("nothing",)
NEVER: Final[NamedMove] = ("never",)


@dataclass(frozen=True, slots=True)
class Made:
    """A booking that certainly exists: its slot, and by when it existed (-inf: before the history)."""

    slot: str
    by: float


def itinerary(made: Made, users: Mapping[int, Operation]) -> dict[int, Entry[NamedMove]] | None:
    """The entries of all operations on one booking, by number; None if their order needs a search.

    Cancellations never need a search, overlapping or not, because a booking is cancelled once. If one
    succeeded, those of unknown outcome had no effect. Otherwise the unknown ones count as one
    cancellation that may have happened since the first of them was called. A refused cancellation shows
    only that the effect happened before it returned, so it is a deadline for that effect. Equal
    timestamps are never an order.

    Reschedules must be sequential, each with a definite outcome, and come before any cancellation is
    called or after one was acknowledged.
    """
    if any(op.invoked_at <= made.by for op in users.values()):
        return None
    cancels = {n: op for n, op in users.items() if op.verb == "cancel"}
    first_call = min((op.invoked_at for op in cancels.values()), default=float("inf"))
    acknowledged = min((_end(op) for op in cancels.values() if op.ok), default=float("inf"))
    entries: dict[int, Entry[NamedMove]] = {}
    place, free_from = made.slot, made.by
    for number, op in users.items():
        if op.verb == "cancel":
            continue
        if op.invoked_at > acknowledged:
            entries[number] = Entry.of(op, NEVER if op.ok else NOTHING)
            continue
        if op.invoked_at <= free_from or _end(op) >= first_call:
            return None
        to = op.args["to"]
        if place == to:
            entries[number] = Entry.of(op, NOTHING)
        else:
            entries[number] = Entry.of(op, ("book refused", to) if op.refused else ("move", place, to))
        if op.ok:
            place = to
        free_from = _end(op)
    return entries | _cancellation(place, cancels)


def _end(op: Operation) -> float:
    """The time by which the operation certainly ended."""
    return float("inf") if op.unknown or op.completed_at is None else op.completed_at


def _cancellation(place: str, cancels: Mapping[int, Operation]) -> dict[int, Entry[NamedMove]]:
    """The entries of all cancellations of a booking at `place`; together they have one effect."""
    entries = {number: Entry.of(op, NOTHING) for number, op in cancels.items()}
    done = [number for number, op in cancels.items() if op.ok]
    for number in done[1:]:
        entries[number] = Entry.of(cancels[number], NEVER)
    effective = done[:1] or [number for number, op in cancels.items() if op.unknown]
    called_at = min((cancels[number].invoked_at for number in effective), default=float("inf"))
    deadline = min((_end(cancels[number]) for number in done[:1]), default=float("inf"))
    for number, op in cancels.items():
        if not op.refused:
            continue
        if _end(op) < called_at:
            entries[number] = Entry.of(op, NEVER)
        else:
            deadline = min(deadline, _end(op))
    if effective:
        returned_at = None if deadline == float("inf") else deadline
        entries[effective[0]] = Entry(cancels[effective[0]], ("free", place), called_at, returned_at)
    return entries
