"""What is asked of a checkout that was interrupted, and of a refusal that names a price."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from overbooked.errors import GapFound
from overbooked.oracles.checkouts import no_refusal_after_capture, survives
from overbooked.oracles.prices import never_dearer, new_price_told
from overbooked.targets.adapter import Answer, DurableState, Money, Outcome
from tests.oracles.books import NOTHING, PAID, charge

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
    with pytest.raises(GapFound, match="did not survive") as found:
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
    with pytest.raises(GapFound, match="does not tell the new price"):
        new_price_told(Answer(Outcome.REFUSED, 409, facts={"price": Money(2500)}), Money(3100))
    with pytest.raises(GapFound):
        new_price_told(Answer(Outcome.REFUSED, 409), Money(3100))


def test_a_price_above_all_that_held_is_found() -> None:
    never_dearer(Answer(Outcome.OK, 201, facts={"price": Money(3100)}), Money(2500), Money(3100))
    never_dearer(Answer(Outcome.REFUSED, 409, facts={"price": Money(5000)}), Money(2500))
    with pytest.raises(GapFound, match="never held"):
        never_dearer(Answer(Outcome.OK, 201, facts={"price": Money(3101)}), Money(2500), Money(3100))
    with pytest.raises(GapFound):
        never_dearer(Answer(Outcome.OK, 201), Money(2500))
