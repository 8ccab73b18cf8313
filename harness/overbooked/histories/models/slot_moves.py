"""Translates the operations of a booking history into moves of the slot model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from overbooked.histories.history import History
from overbooked.histories.model import Entry
from overbooked.histories.models.booking_positions import Made, NamedMove, itinerary
from overbooked.histories.operation import BadHistory, Operation

_ARGUMENTS: Final[Mapping[str, tuple[str, ...]]] = {
    "book": ("slot",),
    "cancel": ("booking",),
    "reschedule": ("booking", "to"),
    "resize": ("slot", "capacity"),
    "places": ("slot",),
    "hold": ("slot",),
    "expire": ("checkout",),
    "pay": ("checkout", "slot"),
}
# The operations that take a place for a new booking or hold, and those that use one that exists.
_TAKES: Final = frozenset({"book", "hold"})
_OF_BOOKINGS: Final = frozenset({"cancel", "reschedule"})
_OF_HOLDS: Final = frozenset({"expire", "pay"})


# The same idempotency key sent for another slot is another request.
Key: TypeAlias = tuple[str, str]


def _key(book: Operation) -> Key | None:
    key = book.args.get("key")
    return None if key is None else (book.args["slot"], key)


def _used(operation: Operation) -> str:
    """Return the booking or the hold that an operation uses."""
    used: str = operation.args["checkout" if operation.verb in _OF_HOLDS else "booking"]
    return used


@dataclass(frozen=True, slots=True)
class ParsedOperation:
    """One operation as a move, with the slots it depends on."""

    entry: Entry[NamedMove]
    slots: tuple[str, ...]


class Parser:
    """Parses a whole history.

    Bookings whose operations have a certain order become anonymous (see `itinerary`). The others, and
    bookings made with a repeated key, are `tracked` by id.

    Args:
        capacities: the known slots.
        bookings: the slot of each booking that existed before the history.
        apart: track every booking that an operation refers to.
    """

    def __init__(
        self,
        history: History,
        capacities: Mapping[str, int],
        bookings: Mapping[str, str],
        *,
        apart: bool = False,
    ) -> None:
        self._capacities = capacities
        self._bookings = bookings
        self._operations = tuple(history)
        for operation in self._operations:
            self._validate(operation)
        books = [op for op in self._operations if op.verb in _TAKES]
        attempts = Counter(key for op in books if (key := _key(op)) is not None)
        self.repeated_keys = {key for key, times in attempts.items() if times > 1}
        self._booking_of_key: dict[Key, str] = {}
        for op in books:
            if op.result is not None and (key := _key(op)) in self.repeated_keys:
                self._booking_of_key.setdefault(key, op.result)
        self._makers = self._makers_among([*books, *(op for op in self._operations if op.verb == "pay")])
        self._users = self._users_of_bookings()
        self._anonymous = {} if apart else self._anonymous_entries()
        self.tracked = self._tracked()

    def readings(self) -> list[ParsedOperation]:
        """Every operation with its move, in the order of the history."""
        readings = []
        for number, operation in enumerate(self._operations):
            entry = self._anonymous.get(number) or Entry.of(operation, self._move(operation))
            slots = self._slots(entry.move) or self._homes(_used(operation))
            readings.append(ParsedOperation(entry, slots))
        return readings

    # -- references ----------------------------------------------------------------------------

    def _validate(self, operation: Operation) -> None:
        if operation.verb not in _ARGUMENTS:
            raise BadHistory(f"the slot model has the verbs {', '.join(_ARGUMENTS)}, found: {operation}")
        for argument in _ARGUMENTS[operation.verb]:
            if argument not in operation.args:
                raise BadHistory(f"argument {argument!r} is missing: {operation}")
        for slot in (operation.args.get("slot"), operation.args.get("to")):
            if slot is not None and slot not in self._capacities:
                raise BadHistory(f"slot {slot} has no known capacity: {operation}")
        if operation.verb in _TAKES and operation.ok and operation.result is None:
            made = "booking" if operation.verb == "book" else "checkout"
            raise BadHistory(
                f"a successful {operation.verb} needs the {made}'s id as its result: {operation}"
            )

    def _makers_among(self, books: Iterable[Operation]) -> dict[str, list[Operation]]:
        makers: dict[str, list[Operation]] = {}
        for op in books:
            if op.result is not None:
                makers.setdefault(op.result, []).append(op)
        return makers

    def _users_of_bookings(self) -> dict[str, dict[int, Operation]]:
        """The operations on each booking or hold by number, in order of invocation."""
        users: dict[str, dict[int, Operation]] = {}
        for number, op in enumerate(self._operations):
            if op.verb in _OF_BOOKINGS | _OF_HOLDS:
                booking = _used(op)
                if booking not in self._makers and booking not in self._bookings:
                    raise BadHistory(
                        f"no operation makes booking {booking}: {op}; record its `book` "
                        f"or name it in `bookings`"
                    )
                users.setdefault(booking, {})[number] = op
        return users

    def _anonymous_entries(self) -> dict[int, Entry[NamedMove]]:
        entries: dict[int, Entry[NamedMove]] = {}
        for booking, users in self._users.items():
            if any(op.verb in _OF_HOLDS for op in users.values()):
                continue
            made = self._certainly_made(booking)
            found = itinerary(made, users) if made else None
            if found is not None:
                entries.update(found)
        return entries

    def _certainly_made(self, booking: str) -> Made | None:
        makers = self._makers.get(booking, [])
        if booking in self._bookings:
            return None if makers else Made(self._bookings[booking], float("-inf"))
        if len(makers) > 1 or _key(makers[0]) in self.repeated_keys:
            return None
        if not makers[0].ok or makers[0].completed_at is None:
            return None
        return Made(makers[0].args["slot"], makers[0].completed_at)

    def _tracked(self) -> dict[str, None]:
        """The bookings that must be tracked by id, in a stable order."""
        named = (b for b, users in self._users.items() if any(n not in self._anonymous for n in users))
        repeated = (booking for booking, makers in self._makers.items() if len(makers) > 1)
        return dict.fromkeys([*named, *repeated, *self._booking_of_key.values()])

    # -- moves ---------------------------------------------------------------------------------

    def _move(self, op: Operation) -> NamedMove:
        args, suffix = op.args, " refused" if op.refused else ""
        match op.verb:
            case "book" | "hold":
                return self._book(op, suffix)
            case "expire":
                return ("expire", args["checkout"])
            case "pay" if op.refused:
                return ("pay refused", args["checkout"])
            case "pay":
                booking = op.result if op.result in self.tracked else None
                return ("pay", args["slot"], args["checkout"], booking)
            case "cancel":
                return ("cancel" + suffix, args["booking"])
            case "reschedule":
                return ("reschedule" + suffix, args["booking"], args["to"])
            case "resize":
                return ("resize" + suffix, args["slot"], args["capacity"])
        capacity, taken = op.result if op.ok else (None, None)
        return ("places", args["slot"], capacity, taken)

    def _book(self, op: Operation, suffix: str) -> NamedMove:
        slot, key, booking = op.args["slot"], _key(op), op.result
        if key in self.repeated_keys:
            booking = self._booking_of_key.get(key) if booking is None else booking
            return ("keyed", slot, key, op.outcome.value, booking)
        if booking not in self.tracked:
            booking = None
        return ("book refused", slot) if suffix else ("book", slot, booking)

    def _slots(self, move: NamedMove) -> tuple[str, ...]:
        match move:
            case ("nothing" | "never",):
                return ()
            case ("move", place, to):
                return (place, to)
            case ("cancel" | "cancel refused" | "expire" | "pay refused", booking):
                return self._homes(booking)
            case ("pay", slot, checkout, _):
                return (slot, *self._homes(checkout))
            case ("reschedule" | "reschedule refused", booking, to):
                return (*self._homes(booking), to)
            case ("book", slot, str(booking)) | ("keyed", slot, _, _, str(booking)):
                return (slot, *self._homes(booking))
        return (move[1],)

    def _homes(self, booking: str) -> tuple[str, ...]:
        """The slots in which the booking may have been made."""
        homes = [op.args["slot"] for op in self._makers.get(booking, ())]
        if booking in self._bookings:
            homes.append(self._bookings[booking])
        return tuple(dict.fromkeys(homes))
