"""What purchases under faults are judged for, each aspect by itself, so that none hides another."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from overbooked.errors import GapFound
from overbooked.fault_points.journey import Findings
from overbooked.journeys.buying import Purchase
from overbooked.oracles.holds import no_hold_left
from overbooked.oracles.ledger import captures_posted_once, ledger_balances, never_confirmed_without_ledger
from overbooked.oracles.money import charged_once, money_matches_bookings
from overbooked.oracles.payment_integrity import told_the_outcome
from overbooked.targets.adapter import DurableState

Oracle = Callable[[DurableState], None]

MONEY, BOOKS, HOLDS, ANSWERS = "money", "books", "holds", "answers"
ASPECTS: Mapping[str, str] = {
    MONEY: "money is kept if and only if a confirmed booking exists, and nothing is charged twice",
    BOOKS: "no confirmed booking lacks its ledger pair, and every capture has exactly one",
    HOLDS: "no hold is left behind",
    ANSWERS: "a repeat with the same key gets the first conclusive answer, or the recorded outcome",
}
# What holds at every moment, and what holds once all is at rest.
ALWAYS: Sequence[tuple[str, Oracle]] = (
    (MONEY, charged_once),
    (BOOKS, never_confirmed_without_ledger),
    (BOOKS, ledger_balances),
)
AT_REST: Sequence[tuple[str, Oracle]] = (
    *ALWAYS,
    (MONEY, money_matches_bookings),
    (BOOKS, captures_posted_once),
    (HOLDS, no_hold_left),
)


def judged(state: DurableState, oracles: Sequence[tuple[str, Oracle]], findings: Findings) -> None:
    """Put what these oracles find into the findings, each under its aspect."""
    for aspect, oracle in oracles:
        try:
            oracle(state)
        except GapFound as found:
            findings.add(aspect, found)


def answered(purchase: Purchase, state: DurableState, findings: Findings) -> None:
    """Judge what the client was told against what was done."""
    try:
        told_the_outcome(purchase.payments, str(purchase.checkout), state)
    except GapFound as found:
        findings.add(ANSWERS, found)


def parted(state: DurableState, slots: Sequence[str]) -> Mapping[str, DurableState]:
    """One look at many slots, as a look at each.

    What belongs to a checkout that no slot knows of goes to every slot: nobody may overlook it.
    """
    slot_of = {hold.checkout: hold.slot for hold in state.holds}
    slot_of |= {row.checkout: row.slot for row in state.bookings}

    def belongs(row: object, slot: str) -> bool:
        """By its slot where it names one, else by its checkout; what names neither belongs to every slot."""
        if hasattr(row, "slot"):
            return bool(row.slot == slot)
        checkout = getattr(row, "checkout", None)
        return checkout is None or slot_of.get(checkout, slot) == slot

    return {slot: state.only(partial(belongs, slot=slot)) for slot in slots}
