"""The sequential slot: capacity, bookings that take a place, and refusals that must be justified.

Verbs, their arguments and results (ids are strings; further arguments are ignored):

- `book(slot, key?)` -> booking id; refused: the slot is full
- `cancel(booking)`; refused: it is not confirmed (cancelled already)
- `reschedule(booking, to)`, wherever it is now; refused: not confirmed, or `to` is full, or there already
- `resize(slot, capacity)`; refused: more places than that are taken
- `places(slot)` -> [capacity, taken], a read

Attempts with one idempotency `key` are one booking: the first that takes effect books, the others only
repeat its answer; a repeated refusal may be the first one replayed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, TypeAlias

from overbooked.histories.history import History
from overbooked.histories.model import Partition, Refutation
from overbooked.histories.models.booking_positions import NamedMove
from overbooked.histories.models.oversold import oversold
from overbooked.histories.models.slot_moves import Reader, Reading
from overbooked.histories.operation import BadHistory

NOT_MADE, CANCELLED = -1, -2  # otherwise `where` is the number of the slot
UNTRACKED = -1
UNDECIDED, REFUSED, BOOKED = 0, 1, 2

Move: TypeAlias = tuple[Any, ...]


class Places(NamedTuple):
    """A state: per slot its capacity and places taken; of bookings only those tracked by name.

    `where` has a slot, NOT_MADE or CANCELLED per tracked booking; the rest are alike and only counted.
    `answers` has what each repeated idempotency key was first answered.
    """

    capacity: tuple[int, ...]
    taken: tuple[int, ...]
    where: tuple[int, ...]
    answers: tuple[int, ...]

    def full(self, slot: int) -> bool:
        return self.taken[slot] >= self.capacity[slot]

    def takes(self, slot: int, booking: int = UNTRACKED) -> Places:
        taken = _with(self.taken, slot, self.taken[slot] + 1)
        where = self.where if booking == UNTRACKED else _with(self.where, booking, slot)
        return Places(self.capacity, taken, where, self.answers)

    def frees(self, slot: int, booking: int = UNTRACKED) -> Places:
        taken = _with(self.taken, slot, self.taken[slot] - 1)
        where = self.where if booking == UNTRACKED else _with(self.where, booking, CANCELLED)
        return Places(self.capacity, taken, where, self.answers)

    def resized(self, slot: int, capacity: int) -> Places:
        return self._replace(capacity=_with(self.capacity, slot, capacity))

    def answered(self, key: int, answer: int) -> Places:
        return self._replace(answers=_with(self.answers, key, answer))


def _with(values: tuple[int, ...], at: int, value: int) -> tuple[int, ...]:
    return (*values[:at], value, *values[at + 1 :])


class SlotModel:
    """Slots with capacity, as clients of a booking system may expect them to behave.

    Args:
        capacities: capacity of each slot when the history began.
        bookings: the slot of each booking that was confirmed already, by booking id.
    """

    def __init__(self, capacities: Mapping[str, int], bookings: Mapping[str, str] | None = None) -> None:
        self.capacities = dict(capacities)
        self.bookings = dict(bookings or {})
        homeless = sorted(set(self.bookings.values()) - set(self.capacities))
        if homeless:
            raise BadHistory(f"bookings on slots of no known capacity: {', '.join(homeless)}")

    def prepare(self, history: History, *, apart: bool = False) -> Sequence[Partition[Places, Move]]:
        """Partition by slots; what moves a booking couples two, so by connected components."""
        reader = Reader(history, self.capacities, self.bookings, apart=apart)
        readings = reader.readings()
        components = _Components(self.capacities)
        for reading in readings:
            components.join(reading.slots)
        groups: dict[str, list[Reading]] = {}
        for reading in readings:
            groups.setdefault(components.of(reading.slots[0]), []).append(reading)
        members = components.members()
        return [self._partition(members[name], group, reader) for name, group in groups.items()]

    def _partition(
        self, slots: Sequence[str], readings: Sequence[Reading], reader: Reader
    ) -> Partition[Places, Move]:
        numbers = _Numbers(slots, readings, reader)
        taken = Counter(self.bookings.values())
        initial = Places(
            capacity=tuple(self.capacities[slot] for slot in slots),
            taken=tuple(taken[slot] for slot in slots),
            where=tuple(
                numbers.slots[self.bookings[booking]] if booking in self.bookings else NOT_MADE
                for booking in numbers.bookings
            ),
            answers=(UNDECIDED,) * len(numbers.keys),
        )
        entries = tuple(replace(r.entry, move=numbers.of(r.entry.move)) for r in readings)
        return Partition("+".join(slots), initial, entries)

    def refute(self, history: History) -> Refutation | None:
        """More bookings than places at one moment, whatever the order."""
        for found in oversold(history, self.capacities, self.bookings):
            told = sorted(found.operations, key=lambda op: op.completed_at or 0.0)
            return Refutation(found.slot, tuple(told), tuple(told[: found.capacity - found.already]))
        return None

    def observes(self, move: Move) -> bool:
        return move[0] in {"places", "nothing", "never"} or str(move[0]).endswith(" refused")

    def needs(self, move: Move) -> int | None:
        """The tracked booking that is changed: once cancelled it can be neither moved nor cancelled."""
        return int(move[1]) if move[0] in {"cancel", "reschedule"} else None

    def ends(self, move: Move) -> int | None:
        return int(move[1]) if move[0] == "cancel" else None

    def step(self, state: Places, move: Move) -> tuple[Places, ...]:  # noqa: PLR0912
        match move:
            case ("book", slot, booking):
                new = booking == UNTRACKED or state.where[booking] == NOT_MADE
                return (state.takes(slot, booking),) if new and not state.full(slot) else ()
            case ("book refused", slot):
                return (state,) if state.full(slot) else ()
            case ("free", slot):
                return (state.frees(slot),)
            case ("move", slot, to):
                return () if state.full(to) else (state.frees(slot).takes(to),)
            case ("cancel", booking):
                where = state.where[booking]
                return (state.frees(where, booking),) if where >= 0 else ()
            case ("cancel refused", booking):
                return (state,) if state.where[booking] < 0 else ()
            case ("reschedule", booking, to):
                return _reschedule(state, booking, to)
            case ("reschedule refused", booking, to):
                where = state.where[booking]
                return (state,) if where < 0 or where == to or state.full(to) else ()
            case ("resize", slot, capacity):
                return (state.resized(slot, capacity),) if state.taken[slot] <= capacity else ()
            case ("resize refused", slot, capacity):
                return (state,) if state.taken[slot] > capacity else ()
            case ("places", slot, capacity, taken):
                return (state,) if (state.capacity[slot], state.taken[slot]) == (capacity, taken) else ()
            case ("keyed", slot, key, answer, booking):
                return _keyed(state, slot, key, answer, booking)
            case ("nothing",):
                return (state,)
            case ("never",):
                return ()
        raise AssertionError(move)


def _reschedule(state: Places, booking: int, to: int) -> tuple[Places, ...]:
    where = state.where[booking]
    if where == to:
        return (state,)
    if where < 0 or state.full(to):
        return ()
    return (state.frees(where, booking).takes(to, booking),)


def _keyed(state: Places, slot: int, key: int, answer: str, booking: int) -> tuple[Places, ...]:
    """One attempt of several with the same key; `answer` is "ok", "refused" or "unknown"."""
    before = state.answers[key]
    made = booking != UNTRACKED and state.where[booking] != NOT_MADE
    if before == BOOKED:
        return (state,) if answer == "unknown" or (answer == "ok" and made) else ()
    after = []
    if answer != "refused" and not made and not state.full(slot):
        after.append(state.takes(slot, booking).answered(key, BOOKED))
    if answer != "ok" and (state.full(slot) or before == REFUSED):
        after.append(state.answered(key, REFUSED))
    return tuple(after)


class _Numbers:
    """Small numbers for the slots, tracked bookings and repeated keys of one partition."""

    def __init__(self, slots: Sequence[str], readings: Sequence[Reading], reader: Reader) -> None:
        self.slots = {slot: number for number, slot in enumerate(slots)}
        named = {name for reading in readings for name in reading.entry.move}
        self.bookings = {b: n for n, b in enumerate(b for b in reader.tracked if b in named)}
        self.keys = {key: n for n, key in enumerate(sorted(reader.repeated_keys & named))}

    def of(self, move: NamedMove) -> Move:
        match move:
            case ("book", slot, booking):
                return ("book", self.slots[slot], self.bookings.get(booking, UNTRACKED))
            case ("keyed", slot, key, answer, booking):
                number = self.bookings.get(booking, UNTRACKED)
                return ("keyed", self.slots[slot], self.keys[key], answer, number)
            case ("move", slot, to):
                return ("move", self.slots[slot], self.slots[to])
            case (("cancel" | "cancel refused") as verb, booking):
                return (verb, self.bookings[booking])
            case (("reschedule" | "reschedule refused") as verb, booking, to):
                return (verb, self.bookings[booking], self.slots[to])
            case ("nothing" | "never",):
                return move
            case (verb, slot, *rest):
                return (verb, self.slots[slot], *rest)
        raise AssertionError(move)


class _Components:
    """Connected components by union-find; a component is named by its first slot."""

    def __init__(self, slots: Mapping[str, int]) -> None:
        self._parent = {slot: slot for slot in slots}

    def of(self, slot: str) -> str:
        while (parent := self._parent[slot]) != slot:
            self._parent[slot] = self._parent[parent]
            slot = parent
        return slot

    def join(self, slots: Sequence[str]) -> None:
        for slot in slots[1:]:
            self._parent[self.of(slot)] = self.of(slots[0])

    def members(self) -> dict[str, list[str]]:
        members: dict[str, list[str]] = {}
        for slot in self._parent:
            members.setdefault(self.of(slot), []).append(slot)
        return members
