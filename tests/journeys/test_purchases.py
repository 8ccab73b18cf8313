"""Purchases are judged together: observed, brought to rest, and repeated."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import pytest

from overbooked.capabilities.durable_state import DurableState
from overbooked.errors import GapFound
from overbooked.journeys.buying import begin_checkout, repeat_payment
from overbooked.journeys.purchases import Purchases
from overbooked.system.system import System
from overbooked.targets.adapter import Action, Answer, HttpRequest, HttpResponse, Money, Slot
from tests.oracles.books import NOTHING, PAID, charge, ok, unknown
from tests.targets.one_object import OneObject
from tests.targets.town import Town, at

SLOT = Slot("s1", 1, Money(2500))


class Ana:
    nick = "ana"

    def __init__(self) -> None:
        self.replies: list[Answer] = []

    def resumes(self, checkout: str, *, key: str, method: str = "card") -> Action:
        return Action("pay", "ana", HttpRequest("POST", checkout), _unread)


class House(OneObject):
    """A system that gives predefined answers and records its calls."""

    def __init__(self, answers: Sequence[Answer], states: Sequence[DurableState]) -> None:
        self.answers = list(answers)
        self.states = list(states)
        self.done: list[str] = []

    async def do(self, action: Action, *, replica: int | None = None) -> Answer:
        self.done.append(f"{action.verb} at {replica}")
        return self.answers.pop(0)

    async def state(self, *, slots: Sequence[Slot]) -> DurableState:
        return self.states.pop(0) if len(self.states) > 1 else self.states[0]

    async def advance(self, seconds: float) -> None:
        self.done.append("wait")

    async def settle(self) -> None:
        self.done.append("settle")

    async def log_in(self, who: Any) -> None:
        self.done.append("log in")


def _unread(response: HttpResponse) -> Answer:
    raise AssertionError("nothing is sent")


def _purchases(house: House, *payments: Answer) -> Purchases:
    from overbooked.journeys.buying import Purchase

    purchases = Purchases(cast("System", house), [SLOT])
    bought = Purchase(cast("Any", Ana()), SLOT, "k", "card", {"checkout": "c1"})
    bought.payments += payments
    purchases.add(bought)
    return purchases


async def test_clients_come_back_before_recovery_and_after_it() -> None:
    house = House([ok()] * 3, [PAID])
    purchases = _purchases(house, unknown())
    await purchases.assert_consistent(first=purchases.all)
    assert house.done == ["wait", "pay at None", "settle", "log in", "pay at 0", "pay at 1"]


async def test_who_never_began_is_not_asked_again() -> None:
    house = House([ok()] * 2, [PAID])
    purchases = _purchases(house, ok())
    async with Town() as town, at(town) as system:
        ana, ben = await system.customers(2)
        slot = await system.open_slot()
        await system.make_booking(ben, slot)
        purchases.add(await begin_checkout(system, ana, slot))
    await purchases.assert_consistent(first=())
    assert house.done.count("log in") == 1


@pytest.mark.parametrize(
    ("answers", "states", "what"),
    [
        ([], [DurableState(charges=(charge(), charge("ch2")))], "charged twice"),
        ([], [NOTHING, DurableState(charges=(charge(),))], "money is kept without a booking"),
        ([ok(), ok("b2")], [PAID], "got a different answer"),
        ([unknown(), unknown()], [PAID], "no conclusive answer"),
    ],
)
async def test_what_does_not_end_well_is_a_gap(
    answers: Sequence[Answer], states: Sequence[DurableState], what: str
) -> None:
    with pytest.raises(GapFound, match=what):
        await _purchases(House(answers, states)).assert_consistent(first=())


async def test_a_checkout_is_begun_and_paid_by_its_first_repeat() -> None:
    async with Town() as town, at(town) as system:
        (ana,) = await system.customers(1)
        purchase = await begin_checkout(system, ana, await system.open_slot(), key="k")
        assert not purchase.stopped_at
        assert not [call for call in town.calls if call.path == "/pay"]
        purchase.facts = {"checkout": "c7"}
        await repeat_payment(system, purchase)
    assert (town.calls[-1].path, town.calls[-1].headers["x-key"]) == ("/c/c7", "k")
