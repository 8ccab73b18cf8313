from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from overbooked.errors import GapFound
from overbooked.oracles.payment_integrity import never_torn, told_the_outcome, whole_again
from overbooked.targets.adapter import Answer, DurableState, Outcome
from tests.oracles.books import CANCELLED, NOTHING, PAID, booking, charge, hold, ok, posted, refused, unknown


@pytest.mark.parametrize("state", [PAID, CANCELLED, NOTHING])
def test_what_is_whole_is_no_gap(state: DurableState) -> None:
    whole_again(state)


@pytest.mark.parametrize(
    "state",
    [
        DurableState(charges=(charge(),)),  # charged, not booked yet
        DurableState(charges=(charge(captured=0),), holds=(hold(),)),
        replace(PAID, charges=()),  # the provider has yet to be asked
    ],
)
def test_half_way_is_not_torn_but_not_whole(state: DurableState) -> None:
    never_torn(state)
    with pytest.raises(GapFound):
        whole_again(state)


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
        never_torn(state)


@pytest.mark.parametrize(
    ("state", "what"),
    [
        (replace(PAID, bookings=()), "money is kept for no booking"),
        (replace(PAID, charges=(charge(captured=0),)), "nobody paid for"),
        (replace(CANCELLED, ledger=(posted(),)), "refunds and their ledger pairs"),
        (replace(PAID, holds=(hold(),)), "hold is left"),
    ],
)
def test_what_does_not_match_at_rest_is_a_gap(state: DurableState, what: str) -> None:
    with pytest.raises(GapFound, match=what):
        whole_again(state)


@pytest.mark.parametrize(
    ("attempts", "state"),
    [
        ([unknown(), unknown(503), ok("b1"), ok("b1")], PAID),
        ([refused(402, "declined"), refused(402, "declined")], NOTHING),
        ([unknown(), refused()], CANCELLED),
        ([Answer(Outcome.OK, 202, {"pending": True})], NOTHING),
    ],
)
def test_being_told_what_was_done_is_no_gap(attempts: Sequence[Answer], state: DurableState) -> None:
    told_the_outcome(attempts, "c1", state)


@pytest.mark.parametrize(
    ("attempts", "state", "what"),
    [
        ([ok("b1"), refused()], PAID, "got another answer"),
        ([refused(402), refused(409)], NOTHING, "got another answer"),
        ([unknown(), unknown()], PAID, "no conclusive answer"),
        ([ok("b1"), unknown()], PAID, "no conclusive answer"),
        ([unknown(), refused()], PAID, "is not what was done"),
        ([ok("b1")], NOTHING, "is not what was done"),
        ([ok("b2")], replace(PAID, bookings=(booking(),)), "is not what was done"),
    ],
)
def test_being_told_otherwise_is_a_gap(attempts: Sequence[Answer], state: DurableState, what: str) -> None:
    with pytest.raises(GapFound, match=what):
        told_the_outcome(attempts, "c1", state)
