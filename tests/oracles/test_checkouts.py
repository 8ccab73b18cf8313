"""Oracles of interrupted checkouts and of refusals that name a price."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from overbooked.capabilities.durable_state import DurableState
from overbooked.errors import GapFound
from overbooked.oracles.checkouts import (
    bought_once,
    no_refusal_after_capture,
    requested_once,
    same_checkout,
    survives,
)
from overbooked.oracles.prices import never_dearer, new_price_told, price_kept
from overbooked.targets.adapter import Account, Answer, Money, Outcome
from tests.oracles.books import NOTHING, PAID, booking, charge

PRICE = Money(2500)
BEFORE = {"price": PRICE, "details": {"name": "Ana"}}
READ = Answer(Outcome.OK, 200, facts={"hold": True, "price": PRICE, "details": {"name": "Ana"}})
UNAUTHORISED = Answer(Outcome.REFUSED, 401, problem="session revoked")


def test_a_checkout_that_is_as_it_was_survived() -> None:
    survives(READ, BEFORE)
    survives(replace(READ, facts={"hold": True, "price": PRICE}), {"price": PRICE})


@pytest.mark.parametrize(
    ("changed", "observed"),
    [({"hold": False}, "hold False"), ({"price": Money(2600)}, "2600"), ({"details": None}, "details None")],
    ids=["place gone", "dearer", "forgotten"],
)
def test_a_checkout_that_lost_something_is_a_gap(changed: dict[str, Any], observed: str) -> None:
    with pytest.raises(GapFound) as found:
        survives(replace(READ, facts={**READ.facts, **changed}), BEFORE)
    assert observed in found.value.observed


def test_a_checkout_that_cannot_be_read_is_a_gap() -> None:
    with pytest.raises(GapFound, match="was not preserved") as found:
        survives(Answer(Outcome.REFUSED, 404), BEFORE)
    assert "404" in found.value.observed


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        (UNAUTHORISED, NOTHING),
        (UNAUTHORISED, PAID),
        (UNAUTHORISED, DurableState(charges=(charge(captured=0),))),
        (Answer(Outcome.REFUSED, 409), DurableState(charges=(charge(),))),
    ],
    ids=["nothing taken", "booked", "only authorised", "refused for something else"],
)
def test_a_refusal_that_costs_nothing_is_no_gap(answer: Answer, state: DurableState) -> None:
    no_refusal_after_capture(answer, state)


def test_a_refusal_of_who_has_paid_is_a_gap_and_names_the_charge() -> None:
    with pytest.raises(GapFound) as found:
        no_refusal_after_capture(UNAUTHORISED, DurableState(charges=(charge("ch7"),)))
    assert "charge ch7: captured 2500 EUR, no booking" in found.value.operations


def test_a_refusal_names_the_price_that_holds_now() -> None:
    new_price_told(Answer(Outcome.REFUSED, 409, facts={"price": Money(3100)}), Money(3100))
    with pytest.raises(GapFound, match="does not name the new price"):
        new_price_told(Answer(Outcome.REFUSED, 409, facts={"price": Money(2500)}), Money(3100))
    with pytest.raises(GapFound):
        new_price_told(Answer(Outcome.REFUSED, 409), Money(3100))


def test_a_price_above_all_that_held_is_found() -> None:
    never_dearer(Answer(Outcome.OK, 201, facts={"price": Money(3100)}), Money(2500), Money(3100))
    never_dearer(Answer(Outcome.REFUSED, 409, facts={"price": Money(5000)}), Money(2500))
    with pytest.raises(GapFound, match="never valid"):
        never_dearer(Answer(Outcome.OK, 201, facts={"price": Money(3101)}), Money(2500), Money(3100))
    with pytest.raises(GapFound):
        never_dearer(Answer(Outcome.OK, 201), Money(2500))


ANA = Account("Ana", "ana@example.com", "ana")


def test_a_checkout_that_is_paid_need_not_be_held() -> None:
    survives(replace(READ, facts={**READ.facts, "hold": False}), BEFORE, held=False)


def test_two_equal_reads_are_the_same_checkout_and_any_difference_is_a_gap() -> None:
    same_checkout(READ, READ)
    with pytest.raises(GapFound, match="changed although nothing may change") as found:
        same_checkout(READ, replace(READ, facts={**READ.facts, "state": "expired"}))
    assert found.value.observed == "state expired"
    with pytest.raises(GapFound, match="can no longer read"):
        same_checkout(READ, Answer(Outcome.REFUSED, 404))


def test_one_booking_and_one_charge_are_bought_once() -> None:
    bought_once(PAID, "c1", PRICE, ANA)


def test_what_costs_nothing_is_booked_without_a_charge() -> None:
    bought_once(replace(NOTHING, bookings=(booking(),)), "c1", Money(0), ANA)
    with pytest.raises(GapFound, match="numbers of bookings"):
        bought_once(NOTHING, "c1", Money(0), ANA)
    with pytest.raises(GapFound, match="where none may be"):
        bought_once(PAID, "c1", Money(0), ANA)


@pytest.mark.parametrize(
    ("state", "what"),
    [
        (replace(PAID, bookings=()), "numbers of bookings"),
        (replace(PAID, charges=(charge(captured=2600),)), "not the amount quoted"),
        (replace(PAID, payments=()), "did not take effect exactly once"),
        (replace(PAID, bookings=(replace(booking(), customer="eve"),)), "not that of the customer"),
    ],
    ids=["no booking", "dearer", "not recorded", "a stranger's"],
)
def test_anything_else_is_not_bought_once(state: DurableState, what: str) -> None:
    with pytest.raises(GapFound, match=what):
        bought_once(state, "c1", PRICE, ANA)


def test_a_second_request_for_money_is_a_gap_before_it_is_captured() -> None:
    requested_once(DurableState(charges=(charge(captured=0),)), "c1")
    with pytest.raises(GapFound, match="not requested"):
        requested_once(NOTHING, "c1")
    with pytest.raises(GapFound, match="requested twice"):
        requested_once(DurableState(charges=(charge(captured=0), charge("ch2", captured=0))), "c1")


def test_an_answer_that_names_another_price_is_a_gap() -> None:
    price_kept([READ, UNAUTHORISED], PRICE)
    with pytest.raises(GapFound, match="other than the quoted one"):
        price_kept([READ], Money(2600))
