"""The recorded history against the sequential slot."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from overbooked.errors import GapFound, HarnessError
from overbooked.histories import Checked, History, Linearizability, Operation, check
from overbooked.histories.models.slot import SlotModel
from overbooked.targets.adapter import Slot

DEADLINE_S = 20.0
# What the sequential slot knows; see its module.
_WRITES = ("book", "cancel", "reschedule", "resize")
VERBS = (*_WRITES, "places")


def linearizable(
    history: History,
    slots: Iterable[Slot],
    *,
    bookings: Mapping[str, str] | None = None,
    deadline_s: float = DEADLINE_S,
) -> Checked:
    """The history of these slots can be explained by one order of its operations.

    Operations with other verbs, and what was done to other slots, are left out.

    Args:
        slots: with the capacity each had when the history began.
        bookings: slot by booking, of bookings made before the history began.
        deadline_s: seconds of search before giving up.

    Raises:
        GapFound: no order explains it.
        HarnessError: the search ran out of time, or no write of the history succeeded; nothing is known.
    """
    capacities = {slot.id: slot.capacity for slot in slots}
    concerned = _concerning(set(capacities), bookings or {}, history)
    checked = check(SlotModel(capacities, bookings), concerned, deadline_s=deadline_s)
    if checked.verdict is Linearizability.UNKNOWN:
        raise HarnessError(
            f"{len(concerned)} operations were not decided within {deadline_s:g} s "
            f"({checked.steps} steps): give the check more time or the burst fewer operations"
        )
    if checked.illegal:
        found = checked.counterexample
        raise GapFound(
            "the history is not linearizable against the sequential slot",
            expected="one order of the operations, each within its interval, that a slot allows",
            observed=f"none for {len(found.operations) if found else len(concerned)} operations",
            operations=[str(op) for op in found.operations] if found else [],
            details={"counterexample": found.as_dict()} if found else {},
        )
    if not any(op.ok for op in concerned.only(*_WRITES)):
        raise HarnessError(
            f"no write succeeded among {len(concerned)} operations, so their history shows nothing; "
            "check the adapter"
        )
    return checked


def _concerning(slots: set[str], bookings: Mapping[str, str], history: History) -> History:
    """The operations on these slots; one on a booking that nobody made stays, for the model to refuse."""
    homes = dict(bookings)
    for op in history.only("book"):
        if op.result is not None:
            homes[op.result] = op.args["slot"]

    def concerns(op: Operation) -> bool:
        if "slot" in op.args:
            return op.args["slot"] in slots
        return homes.get(op.args.get("booking", "")) in {None, *slots} or op.args.get("to") in slots

    return History(tuple(op for op in history.only(*VERBS) if concerns(op)))
