"""Checks a recorded history against the sequential model of a slot."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from overbooked.errors import GapFound, HarnessError
from overbooked.histories import CheckResult, History, Linearizability, Operation, check
from overbooked.histories.models.slot import SlotModel
from overbooked.targets.adapter import Slot

DEADLINE_S = 20.0
# The verbs that the sequential model of a slot supports; see its module.
_WRITES = ("book", "cancel", "reschedule", "resize", "hold", "pay")
VERBS = (*_WRITES, "places", "expire")
# The step of a checkout that holds a place; the model's verb is `hold`.
_HOLDS = "begin"


def linearizable(
    history: History,
    slots: Iterable[Slot],
    *,
    bookings: Mapping[str, str] | None = None,
    deadline_s: float = DEADLINE_S,
) -> CheckResult:
    """The history of these slots is linearizable.

    Operations with other verbs or on other slots are ignored.

    Args:
        slots: the slots, with their capacity at the start of the history.
        bookings: booking id to slot id, for bookings made before the history began.
        deadline_s: maximum duration of the search, in seconds.

    Raises:
        GapFound: the history is not linearizable.
        HarnessError: the search ran out of time, or no write succeeded; nothing can be concluded.
    """
    capacities = {slot.id: slot.capacity for slot in slots}
    concerned = _concerning(set(capacities), bookings or {}, _with_holds(history))
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
            expected="an order of the operations, each within its interval, that the slot allows",
            observed=f"none for {len(found.operations) if found else len(concerned)} operations",
            operations=[str(op) for op in found.operations] if found else [],
            details={"counterexample": found.as_dict()} if found else {},
        )
    if not any(op.ok for op in concerned.only(*_WRITES)):
        raise HarnessError(
            f"no write succeeded among {len(concerned)} operations, so their history proves nothing; "
            "check the adapter"
        )
    return checked


def _with_holds(history: History) -> History:
    """Return the history with the model's verbs: the step of a checkout that holds a place, and its payment
    with the slot that the hold is for. A payment whose outcome is still to come has no booking."""
    slots: dict[str, str] = {}
    found = []
    for op in history:
        if op.verb == _HOLDS and "slot" in op.args:
            checkout = op.result.get("checkout") if isinstance(op.result, Mapping) else None
            if checkout is not None:
                slots[checkout] = op.args["slot"]
            found.append(replace(op, verb="hold", result=checkout))
        elif op.verb == "pay":
            slot = slots.get(op.args.get("checkout", ""))
            booking = op.result if isinstance(op.result, str) else None
            if slot is not None:
                found.append(replace(op, args={**op.args, "slot": slot}, result=booking))
        elif op.verb != "expire" or op.args.get("checkout") in slots:
            found.append(op)
    return History(tuple(found))


def _concerning(slots: set[str], bookings: Mapping[str, str], history: History) -> History:
    """Return the operations on these slots, and those on unknown bookings, which the model rejects."""
    homes = dict(bookings)
    for op in history.only("book", "hold", "pay"):
        if op.result is not None:
            homes[op.result] = op.args["slot"]

    def concerns(op: Operation) -> bool:
        if "slot" in op.args:
            return op.args["slot"] in slots
        used = op.args.get("checkout") or op.args.get("booking", "")
        return homes.get(used) in {None, *slots} or op.args.get("to") in slots

    return History(tuple(op for op in history.only(*VERBS) if concerns(op)))
