from __future__ import annotations

from dataclasses import replace

import pytest

from overbooked.capabilities.durable_state import DurableState
from overbooked.errors import GapFound
from overbooked.oracles.payments import recorded_once, same_records, states_fit_amounts
from tests.oracles.books import CANCELLED, NOTHING, PAID, booking, charge, hold, payment, posted

PARTLY = DurableState(
    bookings=(booking(),),
    charges=(charge(refunded=500),),
    payments=(payment(state="partially_refunded", refunded=500),),
    ledger=(posted(), posted("t2", kind="refund", amount=500)),
)


@pytest.mark.parametrize("state", [NOTHING, PAID, PARTLY, CANCELLED])
def test_a_payment_of_which_all_was_told_is_no_gap(state: DurableState) -> None:
    recorded_once(state)


@pytest.mark.parametrize(
    "state",
    [
        replace(PAID, payments=(), ledger=(), bookings=()),
        replace(PAID, bookings=()),
        replace(PAID, ledger=(posted(), posted("t2"))),
        replace(PAID, payments=(payment(state="authorized"),)),
        replace(PARTLY, payments=(payment(state="partially_refunded", refunded=1000),)),
        replace(PARTLY, ledger=(posted(),)),
        replace(CANCELLED, bookings=(booking(),)),
        replace(PAID, charges=(charge(captures=2),)),
    ],
    ids=["never told", "no booking", "posted twice", "set back", "counted twice", "no pair", "kept", "twice"],
)
def test_an_event_that_did_not_take_effect_once_is_a_gap(state: DurableState) -> None:
    with pytest.raises(GapFound):
        recorded_once(state)


@pytest.mark.parametrize(
    ("state", "captured", "refunded"),
    [
        ("created", 0, 0),
        ("authorized", 0, 0),
        ("failed", 0, 0),
        ("voided", 0, 0),
        ("captured", 2500, 0),
        ("partially_refunded", 2500, 1),
        ("refunded", 2500, 2500),
    ],
)
def test_each_state_fits_its_amounts_and_no_others(state: str, captured: int, refunded: int) -> None:
    amounts = [(0, 0), (2500, 0), (2500, 1), (2500, 2500)]
    for fitting in amounts:
        books = DurableState(payments=(payment(state=state, captured=fitting[0], refunded=fitting[1]),))
        if fitting == (captured, refunded):
            states_fit_amounts(books)
        else:
            with pytest.raises(GapFound, match="contradicts its amounts"):
                states_fit_amounts(books)


def test_payments_that_came_to_the_same_are_alike_whatever_they_are_called() -> None:
    other = DurableState(
        bookings=(booking("b9", checkout="c9"),),
        holds=(hold("h9", live=False),),
        charges=(charge("ch9", checkout="c9"),),
        payments=(payment("p9", charge="ch9"),),
        ledger=(posted("t9", charge="ch9", checkout="c9"),),
    )
    same_records(other, PAID)


def test_a_cancelled_booking_leaves_what_none_leaves() -> None:
    same_records(replace(CANCELLED, bookings=()), CANCELLED)


@pytest.mark.parametrize(
    "state",
    [
        replace(PAID, bookings=()),
        replace(PAID, holds=(hold(live=True),)),
        replace(PAID, payments=(payment(state="authorized"),)),
        replace(PAID, ledger=(posted(), posted("t2"))),
        replace(PAID, ledger=(posted(entries=(("elsewhere", 2500), ("revenue", -2500))),)),
        PARTLY,
    ],
)
def test_payments_that_came_to_something_else_are_a_gap(state: DurableState) -> None:
    with pytest.raises(GapFound, match="differ from those of an identical payment") as found:
        same_records(state, PAID)
    assert found.value.expected
    assert found.value.observed
