"""Invariants of the durable state after any load."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from overbooked.capabilities.checkout import CHECKOUT
from overbooked.capabilities.durable_state import DURABLE_STATE, DurableState
from overbooked.capabilities.jobs import JOBS
from overbooked.errors import GapFound
from overbooked.histories import History, oversold
from overbooked.oracles.capacity import acknowledged_bookings_exist, never_oversold
from overbooked.oracles.effects import provider_and_records_agree
from overbooked.oracles.ledger import ledger_pairs
from overbooked.oracles.money import charged_once, money_matches_bookings
from overbooked.system.system import System
from overbooked.targets.adapter import Slot


async def check_invariants(system: System, slots: Sequence[Slot], history: History) -> None:
    """No slot is oversold, acknowledged bookings exist, and money was captured for bookings only.

    Args:
        system: at rest. If it does not offer its durable state, its count of each slot is used.
        slots: all offered slots, with their capacity; only this load used them.
        history: every request made.

    Raises:
        GapFound: the first invariant that does not hold.
    """
    _certainly_not_oversold(history, slots)
    if any(op.unknown for op in history) and system.offers(JOBS):
        await system.jobs.recover()
    if not system.offers(DURABLE_STATE):
        for slot in slots:
            _, taken = await system.booking.places(slot)
            never_oversold(slot.capacity, taken, slot=slot)
        return
    state = await system.state(slots=[slot.id for slot in slots])
    for slot in slots:
        taken = sum(row.slot == slot.id and row.status == "confirmed" for row in state.bookings)
        held = sum(row.slot == slot.id and row.live for row in state.holds)
        never_oversold(slot.capacity, taken + held, slot=slot)
    _promises(history, state)
    if system.offers(CHECKOUT):
        charged_once(state)
        money_matches_bookings(state)
        provider_and_records_agree(state)
        ledger_pairs(state)


def _certainly_not_oversold(history: History, slots: Sequence[Slot]) -> None:
    """Check by the answers only; other bookings cannot make an oversold slot legal."""
    for found in oversold(history, {slot.id: slot.capacity for slot in slots}):
        raise GapFound(
            "more bookings than capacity",
            expected=f"at most {found.capacity} at any moment",
            observed=f"{found.held} at one moment",
            operations=[str(op) for op in found.operations],
            details={"slot": found.slot},
        )


def _promises(history: History, state: DurableState) -> None:
    """Check that acknowledged bookings exist unless a cancellation was requested."""
    booked = {
        op.result for op in history if op.ok and op.verb in {"book", "pay"} and isinstance(op.result, str)
    }
    given_back = {op.args["booking"] for op in history.only("cancel") if not op.refused}
    in_doubt = sum(op.unknown and op.verb != "cancel" for op in history)
    # Whether an unanswered cancellation took effect is unknown; both are correct.
    maybe = {op.args["booking"] for op in history.only("cancel") if op.unknown}
    known = replace(state, bookings=tuple(row for row in state.bookings if row.id not in maybe))
    acknowledged_bookings_exist(sorted(booked - given_back), known, in_doubt=in_doubt)
