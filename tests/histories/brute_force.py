"""The slot's specification on dictionaries, and an exhaustive search, as a reference for the checker."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field

from overbooked.histories import History, Operation


@dataclass
class World:
    capacity: dict[str, int]
    bookings: dict[str, str | None] = field(default_factory=dict)
    answers: dict[Key, str] = field(default_factory=dict)
    nameless: int = 0

    def taken(self, slot: str) -> int:
        return sum(at == slot for at in self.bookings.values())

    def room(self, slot: str) -> bool:
        return self.taken(slot) < self.capacity[slot]


Key = tuple[str, str]


def _key(op: Operation) -> Key | None:
    return (op.args["slot"], op.args["key"]) if op.args.get("key") else None


def linearizable(history: History, capacities: Mapping[str, int], bookings: Mapping[str, str]) -> bool:
    """Try every order that real time allows, and every choice of unknown operations to leave out."""
    operations = list(history)
    keys = [_key(op) for op in operations]
    repeated = {key for key in keys if key and keys.count(key) > 1}
    names: dict[Key, str] = {}
    for op in operations:
        if _key(op) in repeated and op.result:
            names.setdefault(_key(op), op.result)

    def search(world: World, left: list[Operation]) -> bool:
        if all(op.unknown for op in left):
            return True
        for op in left:
            if any(_ended_before(other, op) for other in left):
                continue
            rest = [other for other in left if other is not op]
            if op.unknown and search(world, rest):
                return True
            for after in _do(deepcopy(world), op, repeated, names):
                if search(after, rest):
                    return True
        return False

    return search(World(dict(capacities), dict(bookings)), operations)


def _ended_before(one: Operation, other: Operation) -> bool:
    return not one.unknown and one.completed_at is not None and one.completed_at < other.invoked_at


def _do(world: World, op: Operation, repeated: set[Key], names: Mapping[Key, str]) -> Iterator[World]:  # noqa: PLR0912
    """Yield the worlds after the operation with its outcome; modifies `world`."""
    key = _key(op)
    if key in repeated:
        yield from _book_again(world, op, key, op.result or names.get(key))
        return
    might, refused = not op.refused, not op.ok
    if op.verb == "book":
        if might and world.room(op.args["slot"]) and (op.result not in world.bookings or op.result is None):
            _book(world, op.args["slot"], op.result)
            yield world
        elif refused and not world.room(op.args["slot"]):
            yield world
    elif op.verb == "cancel":
        if world.bookings.get(op.args["booking"]) is None:
            if refused:
                yield world
        elif might:
            world.bookings[op.args["booking"]] = None
            yield world
    elif op.verb == "reschedule":
        booking, to = op.args["booking"], op.args["to"]
        at = world.bookings.get(booking)
        if op.refused:
            if at is None or at == to or not world.room(to):
                yield world
        elif at is not None and (at == to or world.room(to)):
            world.bookings[booking] = to
            yield world
    elif op.verb == "resize":
        fits = world.taken(op.args["slot"]) <= op.args["capacity"]
        if fits and might:
            world.capacity[op.args["slot"]] = op.args["capacity"]
            yield world
        elif not fits and refused:
            yield world
    elif op.unknown or tuple(op.result) == (world.capacity[op.args["slot"]], world.taken(op.args["slot"])):
        yield world


def _book(world: World, slot: str, booking: str | None) -> None:
    if booking is None:
        world.nameless += 1
        booking = f"nameless-{world.nameless}"
    world.bookings[booking] = slot


def _book_again(world: World, op: Operation, key: Key, booking: str | None) -> Iterator[World]:
    slot, answer = op.args["slot"], world.answers.get(key)
    made = booking is not None and booking in world.bookings
    if answer == "booked":
        if op.unknown or (op.ok and made):
            yield world
        return
    if not op.refused and world.room(slot) and not made:
        after = deepcopy(world)
        _book(after, slot, booking)
        after.answers[key] = "booked"
        yield after
    if not op.ok and (answer == "refused" or not world.room(slot)):
        world.answers[key] = "refused"
        yield world
