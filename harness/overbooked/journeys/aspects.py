"""The aspects by which purchases under faults are judged, separately, so that none masks another."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from overbooked.capabilities.durable_state import DurableState
from overbooked.errors import GapFound
from overbooked.fault_points.journey import Findings
from overbooked.journeys.buying import Purchase
from overbooked.oracles.holds import no_hold_left
from overbooked.oracles.ledger import captures_posted_once, ledger_balances, never_confirmed_without_ledger
from overbooked.oracles.money import charged_once, money_matches_bookings
from overbooked.oracles.payment_integrity import answers_were_true, kept_is_quoted, repeats_match_outcome
from overbooked.targets.adapter import Money

Oracle = Callable[[DurableState], None]

MONEY, BOOKS, HOLDS, ANSWERS = "money", "books", "holds", "answers"
ASPECTS: Mapping[str, str] = {
    MONEY: "money is kept if and only if a confirmed booking exists, and nothing is charged twice",
    BOOKS: "no confirmed booking lacks its ledger pair, and every capture has exactly one",
    HOLDS: "no hold is left behind",
    ANSWERS: "a retry with the same key gets the first conclusive answer, or the recorded outcome",
}
# Oracles that hold at every moment, and oracles that hold at rest.
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


def check_aspects(state: DurableState, oracles: Sequence[tuple[str, Oracle]], findings: Findings) -> None:
    """Run these oracles and add their findings by aspect."""
    for aspect, oracle in oracles:
        try:
            oracle(state)
        except GapFound as found:
            findings.add(aspect, found)


def check_answers(purchase: Purchase, state: DurableState, findings: Findings) -> None:
    """Compare the answers to the client with the records, and the money kept with the price it was asked."""
    try:
        repeats_match_outcome(purchase.payments, str(purchase.checkout), state)
    except GapFound as found:
        findings.add(ANSWERS, found)
    price = purchase.facts.get("price")
    if isinstance(price, Money):
        try:
            kept_is_quoted(state, str(purchase.checkout), price)
        except GapFound as found:
            findings.add(MONEY, found)


def check_told(purchase: Purchase, state: DurableState, findings: Findings) -> None:
    """Compare the conclusive answers so far with the records at the same moment, before any recovery."""
    try:
        answers_were_true(purchase.payments, str(purchase.checkout), state)
    except GapFound as found:
        findings.add(ANSWERS, found)


def split_by_slot(state: DurableState, slots: Sequence[str]) -> Mapping[str, DurableState]:
    """Split the state of several slots into one state per slot.

    A row of a checkout without a known slot is included for every slot, so that it is not missed.
    """
    slot_of = {hold.checkout: hold.slot for hold in state.holds}
    slot_of |= {row.checkout: row.slot for row in state.bookings}

    def belongs(row: object, slot: str) -> bool:
        """Match by slot if the row has one, else by checkout; a row without either belongs to every slot."""
        if hasattr(row, "slot"):
            return bool(row.slot == slot)
        checkout = getattr(row, "checkout", None)
        return checkout is None or slot_of.get(checkout, slot) == slot

    return {slot: state.only(partial(belongs, slot=slot)) for slot in slots}
