from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from overbooked.capabilities.durable_state import DurableState
from overbooked.errors import GapFound
from overbooked.oracles.payment_integrity import (
    always_consistent,
    answers_were_true,
    consistent_at_rest,
    kept_is_quoted,
    repeats_match_outcome,
)
from overbooked.targets.adapter import Answer, Money, Outcome
from tests.oracles.books import CANCELLED, NOTHING, PAID, booking, charge, hold, ok, posted, refused, unknown

PENDING = Answer(Outcome.OK, 202, {"pending": True})


@pytest.mark.parametrize("state", [PAID, CANCELLED, NOTHING])
def test_what_is_whole_is_no_gap(state: DurableState) -> None:
    consistent_at_rest(state)


@pytest.mark.parametrize(
    "state",
    [
        DurableState(charges=(charge(),)),  # charged and not booked yet
        DurableState(charges=(charge(captured=0),), holds=(hold(),)),
        replace(PAID, charges=()),  # the provider was not called yet
    ],
)
def test_half_way_is_not_torn_but_not_whole(state: DurableState) -> None:
    always_consistent(state)
    with pytest.raises(GapFound):
        consistent_at_rest(state)


@pytest.mark.parametrize(
    ("state", "what"),
    [
        (replace(PAID, ledger=()), "confirmed without its ledger pair"),
        (replace(PAID, ledger=(posted(entries=(("a", 2500), ("b", -2499))),)), "ledger"),
        (replace(PAID, charges=(charge(), charge("ch2", refunded=2500))), "charged twice"),
        (replace(PAID, charges=(charge(captures=2),)), "captured twice"),
    ],
)
def test_what_is_torn_is_a_gap_at_any_moment(state: DurableState, what: str) -> None:
    with pytest.raises(GapFound, match=what):
        always_consistent(state)


@pytest.mark.parametrize(
    ("state", "what"),
    [
        (replace(PAID, bookings=()), "money is kept without a booking"),
        (replace(PAID, charges=(charge(captured=0),)), "without a payment"),
        (replace(CANCELLED, ledger=(posted(),)), "refunds and their ledger pairs"),
        (replace(PAID, holds=(hold(),)), "hold is left"),
    ],
)
def test_what_does_not_match_at_rest_is_a_gap(state: DurableState, what: str) -> None:
    with pytest.raises(GapFound, match=what):
        consistent_at_rest(state)


@pytest.mark.parametrize(
    ("attempts", "state"),
    [
        ([unknown(), unknown(503), ok("b1"), ok("b1")], PAID),
        ([refused(402, "declined"), refused(402, "declined")], NOTHING),
        ([unknown(), refused()], CANCELLED),
        ([PENDING], DurableState(charges=(charge(captured=0),))),
        ([PENDING, PENDING], PAID),
        ([ok("b1", price=Money(2500))], PAID),
    ],
)
def test_being_told_what_was_done_is_no_gap(attempts: Sequence[Answer], state: DurableState) -> None:
    repeats_match_outcome(attempts, "c1", state)


@pytest.mark.parametrize(
    ("attempts", "state", "what"),
    [
        ([ok("b1"), refused()], PAID, "got a different answer"),
        ([refused(402), refused(409)], NOTHING, "got a different answer"),
        ([unknown(), unknown()], PAID, "no conclusive answer"),
        ([ok("b1"), unknown()], PAID, "no conclusive answer"),
        ([unknown(), refused()], PAID, "differs from what was recorded"),
        ([ok("b1")], NOTHING, "differs from what was recorded"),
        ([ok("b2")], replace(PAID, bookings=(booking(),)), "differs from what was recorded"),
        ([PENDING], NOTHING, "does not state what was done"),
        ([ok("b1"), PENDING], PAID, "got a different answer"),
        ([PENDING, ok("b1")], PAID, "got a different answer"),
        ([ok("b1", price=Money(2400))], PAID, "does not state what was done"),
        ([refused(402, "declined")], CANCELLED, "does not state what was done"),
        ([unknown(), refused()], DurableState(charges=(charge(),)), "does not state what was done"),
    ],
)
def test_being_told_otherwise_is_a_gap(attempts: Sequence[Answer], state: DurableState, what: str) -> None:
    with pytest.raises(GapFound, match=what):
        repeats_match_outcome(attempts, "c1", state)


def test_an_answer_is_true_from_the_moment_it_is_given() -> None:
    answers_were_true([unknown(), ok("b1")], "c1", PAID)
    with pytest.raises(GapFound, match="expected  no booking after a refusal"):
        answers_were_true([unknown(), refused()], "c1", PAID)


def test_what_is_kept_is_the_price_of_the_checkout() -> None:
    kept_is_quoted(PAID, "c1", Money(2500))
    kept_is_quoted(CANCELLED, "c1", Money(2500))
    for price in (Money(2400), Money(2500, "USD")):
        with pytest.raises(GapFound, match="not the price of its checkout"):
            kept_is_quoted(PAID, "c1", price)
