from __future__ import annotations

from dataclasses import replace

import pytest

from overbooked.capabilities.checkout import LedgerTransaction
from overbooked.capabilities.durable_state import DurableState
from overbooked.errors import GapFound
from overbooked.oracles.ledger import (
    ledger_balances,
    ledger_pairs,
    never_confirmed_without_ledger,
    posted_alike,
)
from tests.oracles.books import CANCELLED, NOTHING, PAID, booking, charge, posted

REVERSED = replace(
    PAID,
    ledger=(
        posted("t1"),
        posted("t2", reversed_by="t3"),
        posted("t3", kind="reversal", reverses="t2", amount=-2500),
    ),
)
ONE_SIDED = posted(entries=(("receivable", 2500),))
LOPSIDED = posted(entries=(("receivable", 2500), ("revenue", -2400)))


@pytest.mark.parametrize(
    "state", [PAID, CANCELLED, NOTHING, REVERSED, DurableState(charges=(charge(captured=0),))]
)
def test_books_in_order_are_no_gap(state: DurableState) -> None:
    ledger_pairs(state)
    ledger_balances(state)
    never_confirmed_without_ledger(state)


@pytest.mark.parametrize(
    ("state", "what"),
    [
        (replace(PAID, ledger=()), "a capture does not have exactly one ledger pair"),
        (
            replace(PAID, ledger=(posted("t1"), posted("t2"))),
            "a capture does not have exactly one ledger pair",
        ),
        (replace(PAID, ledger=(posted(amount=2400),)), "a capture does not have exactly one ledger pair"),
        (
            replace(PAID, ledger=(posted(reversed_by="t9"),)),
            "a capture does not have exactly one ledger pair",
        ),
        (replace(CANCELLED, ledger=(posted(),)), "refunds and their ledger pairs differ"),
        (
            replace(CANCELLED, ledger=(posted(), posted("t2", kind="refund"), posted("t3", kind="refund"))),
            "refunds and their ledger pairs differ",
        ),
        (replace(PAID, charges=()), "for a charge unknown to the provider"),
        (replace(PAID, ledger=(ONE_SIDED,)), "a ledger transaction does not balance"),
        (replace(PAID, ledger=(LOPSIDED,)), "a ledger transaction does not balance"),
        (replace(PAID, ledger=(posted(entries=()),)), "a ledger transaction does not balance"),
    ],
)
def test_books_out_of_order_are_a_gap(state: DurableState, what: str) -> None:
    with pytest.raises(GapFound, match=what):
        ledger_pairs(state)


@pytest.mark.parametrize("ledger", [(), (ONE_SIDED,), (posted(checkout="c2"),), (posted(kind="refund"),)])
def test_a_confirmed_booking_without_its_pair_is_a_gap(ledger: tuple[LedgerTransaction, ...]) -> None:
    with pytest.raises(GapFound, match="confirmed without its ledger pair"):
        never_confirmed_without_ledger(replace(PAID, ledger=ledger))


def test_bookings_that_need_no_pair_need_none() -> None:
    never_confirmed_without_ledger(
        DurableState(bookings=(booking(checkout=None), booking(status="cancelled")))
    )


def test_a_pair_that_is_posted_like_its_model_is_no_gap() -> None:
    posted_alike(PAID, PAID)
    posted_alike(PAID, NOTHING)
    posted_alike(REVERSED, PAID)


@pytest.mark.parametrize(
    ("entry", "word"),
    [
        (posted(entries=(("revenue", 2500), ("receivable", -2500))), "wrong accounts"),
        (posted(entries=(("receivable", 2500), ("suspense", -2500))), "wrong accounts"),
        (replace(posted(), currency="USD"), "another currency"),
        (replace(posted(), currency=""), "several currencies"),
    ],
)
def test_a_pair_between_other_accounts_or_in_another_currency_is_a_gap(
    entry: LedgerTransaction, word: str
) -> None:
    with pytest.raises(GapFound) as gap:
        posted_alike(replace(PAID, ledger=(entry,)), PAID)
    assert word in f"{gap.value.what} {gap.value.observed}"
