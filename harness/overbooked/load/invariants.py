"""What must hold of the durable state once the load is over, whatever it was like."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from overbooked.errors import GapFound
from overbooked.histories import History, oversold
from overbooked.oracles.capacity import kept_promises, never_oversold
from overbooked.oracles.effects import provider_and_records_agree
from overbooked.oracles.ledger import ledger_pairs
from overbooked.oracles.money import charged_once, money_matches_bookings
from overbooked.targets.adapter import Capability, DurableState, Slot
from overbooked.targets.system import System


async def keeps_its_promises(system: System, slots: Sequence[Slot], history: History) -> None:
    """No slot is oversold, what was promised is there, and money was taken for it and nothing else.

    Args:
        system: at rest. Of one that cannot show its durable state, what it says of each slot is taken.
        slots: all that were offered, with their capacity; nobody else used them.
        history: every request made.

    Raises:
        GapFound: the first invariant that does not hold.
    """
    _certainly_not_oversold(history, slots)
    offered = system.adapter.capabilities
    if any(op.unknown for op in history) and Capability.JOBS in offered:
        await system.recover()
    if Capability.DURABLE_STATE not in offered:
        for slot in slots:
            _, taken = await system.places(slot)
            never_oversold(slot.capacity, taken, slot=slot)
        return
    state = await system.state(slots=[slot.id for slot in slots])
    for slot in slots:
        taken = sum(row.slot == slot.id and row.status == "confirmed" for row in state.bookings)
        held = sum(row.slot == slot.id and row.live for row in state.holds)
        never_oversold(slot.capacity, taken + held, slot=slot)
    _promises(history, state)
    if Capability.CHECKOUT in offered:
        charged_once(state)
        money_matches_bookings(state)
        provider_and_records_agree(state)
        ledger_pairs(state)


def _certainly_not_oversold(history: History, slots: Sequence[Slot]) -> None:
    """By the answers alone: what was on sale elsewhere at the same time can only make it worse."""
    for found in oversold(history, {slot.id: slot.capacity for slot in slots}):
        raise GapFound(
            "more bookings than capacity",
            expected=f"at most {found.capacity} at any moment",
            observed=f"{found.held} at one moment",
            operations=[str(op) for op in found.operations],
            details={"slot": found.slot},
        )


def _promises(history: History, state: DurableState) -> None:
    """Bookings acknowledged are there, unless somebody asked to cancel them."""
    booked = {
        op.result for op in history if op.ok and op.verb in {"book", "pay"} and isinstance(op.result, str)
    }
    given_back = {op.args["booking"] for op in history.only("cancel") if not op.refused}
    in_doubt = sum(op.unknown and op.verb != "cancel" for op in history)
    # Whether a cancellation without an answer happened is not known; either way nothing was broken.
    maybe = {op.args["booking"] for op in history.only("cancel") if op.unknown}
    known = replace(state, bookings=tuple(row for row in state.bookings if row.id not in maybe))
    kept_promises(sorted(booked - given_back), known, in_doubt=in_doubt)
