from __future__ import annotations

from dataclasses import replace

import pytest

from overbooked.capabilities.durable_state import DurableState
from overbooked.errors import GapFound
from overbooked.oracles.holds import no_hold_left
from overbooked.oracles.money import (
    charged,
    charged_once,
    money_matches_bookings,
    nothing_charged,
    paid_bookings,
)
from overbooked.targets.adapter import Money
from tests.oracles.books import CANCELLED, NOTHING, PAID, booking, charge, hold


@pytest.mark.parametrize(
    "state",
    [
        PAID,
        CANCELLED,
        NOTHING,
        DurableState(bookings=(booking(checkout=None),)),  # paid at the venue
        DurableState(charges=(charge(captured=0),)),  # authorised only, or declined
        DurableState(charges=(charge(pending=2500),)),  # its refund is pending
        DurableState(bookings=(booking(),), charges=(charge(), charge("ch2", refunded=2500))),
        DurableState(charges=(charge(checkout=None, refunded=2500),)),
    ],
)
def test_money_for_a_booking_and_no_other_money_is_no_gap(state: DurableState) -> None:
    money_matches_bookings(state)


@pytest.mark.parametrize(
    ("state", "what"),
    [
        (replace(PAID, bookings=()), "money is kept without a booking"),
        (replace(PAID, bookings=(booking(status="cancelled"),)), "money is kept without a booking"),
        (DurableState(charges=(charge(refunded=100),)), "money is kept without a booking"),
        (replace(PAID, charges=()), "a booking is confirmed without a payment"),
        (replace(PAID, charges=(charge(captured=0),)), "a booking is confirmed without a payment"),
        (replace(PAID, charges=(charge(refunded=2500),)), "a booking is confirmed without a payment"),
        (replace(PAID, charges=(charge(pending=2500),)), "a booking is confirmed without a payment"),
        (replace(PAID, bookings=(booking("b1"), booking("b2"))), "one checkout made several bookings"),
        (DurableState(charges=(charge(checkout=None),)), "money is kept without a checkout"),
    ],
)
def test_money_without_booking_or_booking_without_money_is_a_gap(state: DurableState, what: str) -> None:
    with pytest.raises(GapFound, match=what):
        money_matches_bookings(state)


def test_one_charge_a_checkout_is_no_gap() -> None:
    charged_once(PAID)
    charged_once(CANCELLED)
    charged_once(
        DurableState(charges=(charge("ch1"), charge("ch2", captured=0), charge("ch3", checkout="c2")))
    )


def test_a_second_charge_is_a_gap_even_when_it_was_given_back() -> None:
    with pytest.raises(GapFound, match="a booking is charged twice"):
        charged_once(DurableState(charges=(charge("ch1"), charge("ch2", refunded=2500))))
    with pytest.raises(GapFound, match="a charge is captured twice"):
        charged_once(DurableState(charges=(charge(captures=2),)))


def test_the_amount_charged_is_compared_to_the_minor_unit() -> None:
    charged(PAID, "c1", Money(2500))
    for price in (Money(2499), Money(2501), Money(2500, "USD")):
        with pytest.raises(GapFound, match="is not the amount quoted"):
            charged(PAID, "c1", price)
    with pytest.raises(GapFound, match="observed  0 of 0"):
        charged(PAID, "c2", Money(2500))
    with pytest.raises(GapFound, match="observed  2 of 2500"):
        charged(
            DurableState(charges=(charge(captured=1000), charge("ch2", captured=1500))), "c1", Money(2500)
        )


def test_nothing_charged_means_nothing_ever() -> None:
    nothing_charged(NOTHING)
    nothing_charged(DurableState(charges=(charge(captured=0),)))
    nothing_charged(PAID, ["c2"])
    with pytest.raises(GapFound, match="money was captured"):
        nothing_charged(PAID, ["c1"])
    with pytest.raises(GapFound, match="money was captured"):
        nothing_charged(CANCELLED)


def test_bookings_and_charges_are_counted() -> None:
    paid_bookings(PAID, 1)
    paid_bookings(CANCELLED, 0)
    for state, n in ((PAID, 0), (PAID, 2), (replace(PAID, charges=()), 1), (replace(PAID, bookings=()), 1)):
        with pytest.raises(GapFound, match="differ from the number of purchases"):
            paid_bookings(state, n)


def test_a_hold_that_lives_on_is_a_gap() -> None:
    no_hold_left(PAID)
    no_hold_left(NOTHING)
    with pytest.raises(GapFound, match="a hold is left behind"):
        no_hold_left(DurableState(holds=(hold("h1", live=False), hold("h2"))))
