"""The sequential slot model: capacity, bookings that take a place, and refusals that need a reason.

Verbs, their arguments and results (ids are strings; further arguments are ignored):

- `book(slot, key?)` -> booking id; refused: the slot is full
- `cancel(booking)`; refused: it is not confirmed (cancelled already)
- `reschedule(booking, to)`, from its current slot; refused: not confirmed, `to` is full, or already there
- `resize(slot, capacity)`; refused: more places than `capacity` are taken
- `places(slot)` -> [capacity, taken], a read
- `hold(slot)` -> checkout id: takes a place until it is paid; refused: the slot is full
- `expire(checkout)`, of unknown outcome: the time of the hold is over, so it may end at any later moment,
  unless it was paid before
- `pay(checkout, slot)` -> booking id: the booking keeps the place of the hold, and needs a free one if the
  hold has ended; refused: the hold has ended, or it was paid before

Attempts with one idempotency `key` are one booking: the first that takes effect books, the others repeat
its answer. A repeated refusal may be a replay of the first one.
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
from overbooked.histories.models.slot_moves import ParsedOperation, Parser
from overbooked.histories.operation import BadHistory

NOT_MADE, CANCELLED, PAID = -1, -2, -3  # otherwise `where` is the number of the slot
UNTRACKED = -1
UNDECIDED, REFUSED, BOOKED = 0, 1, 2

Move: TypeAlias = tuple[Any, ...]


class SlotState(NamedTuple):
    """A state: capacity and taken places per slot, and the bookings tracked by id.

    `where` has a slot, NOT_MADE, CANCELLED or PAID (a hold) per tracked booking or hold; the others are only
    counted. `answers`
    has the first answer to each repeated idempotency key.
    """

    capacity: tuple[int, ...]
    taken: tuple[int, ...]
    where: tuple[int, ...]
    answers: tuple[int, ...]

    def full(self, slot: int) -> bool:
        return self.taken[slot] >= self.capacity[slot]

    def takes(self, slot: int, booking: int = UNTRACKED) -> SlotState:
        taken = _with(self.taken, slot, self.taken[slot] + 1)
        where = self.where if booking == UNTRACKED else _with(self.where, booking, slot)
        return SlotState(self.capacity, taken, where, self.answers)

    def frees(self, slot: int, booking: int = UNTRACKED) -> SlotState:
        taken = _with(self.taken, slot, self.taken[slot] - 1)
        where = self.where if booking == UNTRACKED else _with(self.where, booking, CANCELLED)
        return SlotState(self.capacity, taken, where, self.answers)

    def paid(self, checkout: int, booking: int) -> SlotState:
        """The booking takes over the place of a hold."""
        where = _with(self.where, checkout, PAID)
        if booking != UNTRACKED:
            where = _with(where, booking, self.where[checkout])
        return self._replace(where=where)

    def resized(self, slot: int, capacity: int) -> SlotState:
        return self._replace(capacity=_with(self.capacity, slot, capacity))

    def answered(self, key: int, answer: int) -> SlotState:
        return self._replace(answers=_with(self.answers, key, answer))


def _with(values: tuple[int, ...], at: int, value: int) -> tuple[int, ...]:
    return (*values[:at], value, *values[at + 1 :])


class SlotModel:
    """Slots with capacity, with the behaviour that clients of a booking system expect.

    Args:
        capacities: capacity of each slot at the start of the history.
        bookings: the slot of each booking confirmed before the history, by booking id.
    """

    def __init__(self, capacities: Mapping[str, int], bookings: Mapping[str, str] | None = None) -> None:
        self.capacities = dict(capacities)
        self.bookings = dict(bookings or {})
        homeless = sorted(set(self.bookings.values()) - set(self.capacities))
        if homeless:
            raise BadHistory(f"bookings on slots without a known capacity: {', '.join(homeless)}")

    def prepare(self, history: History, *, apart: bool = False) -> Sequence[Partition[SlotState, Move]]:
        """Partition by connected components of slots; a reschedule connects two slots."""
        reader = Parser(history, self.capacities, self.bookings, apart=apart)
        readings = reader.readings()
        components = _Components(self.capacities)
        for reading in readings:
            components.join(reading.slots)
        groups: dict[str, list[ParsedOperation]] = {}
        for reading in readings:
            groups.setdefault(components.of(reading.slots[0]), []).append(reading)
        members = components.members()
        return [self._partition(members[name], group, reader) for name, group in groups.items()]

    def _partition(
        self, slots: Sequence[str], readings: Sequence[ParsedOperation], reader: Parser
    ) -> Partition[SlotState, Move]:
        numbers = _Numbers(slots, readings, reader)
        taken = Counter(self.bookings.values())
        initial = SlotState(
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
        """More bookings than places at one moment, in every order."""
        for found in oversold(history, self.capacities, self.bookings):
            told = sorted(found.operations, key=lambda op: op.completed_at or 0.0)
            return Refutation(found.slot, tuple(told), tuple(told[: found.capacity - found.already]))
        return None

    def observes(self, move: Move) -> bool:
        return move[0] in {"places", "nothing", "never"} or str(move[0]).endswith(" refused")

    def needs(self, move: Move) -> int | None:
        """The tracked booking that is changed; after its cancellation it cannot be moved or cancelled."""
        return int(move[1]) if move[0] in {"cancel", "reschedule"} else None

    def ends(self, move: Move) -> int | None:
        return int(move[1]) if move[0] == "cancel" else None

    def step(self, state: SlotState, move: Move) -> tuple[SlotState, ...]:  # noqa: PLR0912
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
            case ("expire", checkout):
                where = state.where[checkout]
                return (state.frees(where, checkout) if where >= 0 else state,)
            case ("pay", slot, checkout, booking):
                return _pay(state, slot, checkout, booking)
            case ("pay refused", checkout):
                return (state,) if state.where[checkout] < 0 else ()
            case ("nothing",):
                return (state,)
            case ("never",):
                return ()
        raise AssertionError(move)


def _reschedule(state: SlotState, booking: int, to: int) -> tuple[SlotState, ...]:
    where = state.where[booking]
    if where == to:
        return (state,)
    if where < 0 or state.full(to):
        return ()
    return (state.frees(where, booking).takes(to, booking),)


def _pay(state: SlotState, slot: int, checkout: int, booking: int) -> tuple[SlotState, ...]:
    where = state.where[checkout]
    if where == PAID:
        again = booking != UNTRACKED and state.where[booking] != NOT_MADE
        return (state,) if again else ()
    if where >= 0:
        return (state.paid(checkout, booking),)
    if where == NOT_MADE or state.full(slot):
        return ()
    return (state.takes(slot, checkout).paid(checkout, booking),)


def _keyed(state: SlotState, slot: int, key: int, answer: str, booking: int) -> tuple[SlotState, ...]:
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

    def __init__(self, slots: Sequence[str], readings: Sequence[ParsedOperation], reader: Parser) -> None:
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
            case (("cancel" | "cancel refused" | "expire" | "pay refused") as verb, booking):
                return (verb, self.bookings[booking])
            case ("pay", slot, checkout, booking):
                number = self.bookings.get(booking, UNTRACKED)
                return ("pay", self.slots[slot], self.bookings[checkout], number)
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
