"""A retrying client repeats each step, restarts a lost checkout, and pays with one key."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from overbooked.journeys.buying import Purchase
from overbooked.journeys.retrying_client import RetryingClient
from overbooked.system.system import System
from overbooked.targets.adapter import Action, Answer, CheckoutStep, HttpRequest, HttpResponse, Money, Slot
from tests.oracles.books import ok, refused, unknown

SLOT = Slot("s1", 4, Money(2500))
BEGUN = ok(checkout="c1")


class Ana:
    nick = "ana"

    def new_key(self) -> str:
        return "k"

    def checks_out(self, slot: Slot, *, key: str, method: str) -> Sequence[CheckoutStep]:
        return [CheckoutStep(name, lambda _, name=name: _action(name)) for name in ("quote", "begin", "pay")]  # type: ignore[misc]

    def resumes(self, checkout: str, *, key: str, method: str) -> Action:
        return _action(f"pay {checkout} {key}")


def _action(verb: str) -> Action:
    return Action(verb, "ana", HttpRequest("POST", "/"), _unread)


def _unread(response: HttpResponse) -> Answer:
    raise AssertionError("nothing is sent")


class House:
    def __init__(self, answers: Sequence[Answer]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    async def do(self, action: Action, *, replica: int | None = None) -> Answer:
        self.asked.append(f"{action.verb} at {replica}")
        return self.answers.pop(0)


async def insists(*answers: Answer) -> tuple[Purchase, list[str], list[str]]:
    house, steps = House(answers), list[str]()
    client = RetryingClient(cast("System", house), cast("Any", Ana()), SLOT, replica=1, at=steps.append)
    purchase = await client.buys()
    assert purchase is client.purchase
    assert not house.answers
    return purchase, house.asked, steps


async def test_each_step_once_when_all_goes_well() -> None:
    purchase, asked, steps = await insists(ok(), BEGUN, ok(booking="b1"))
    assert asked == ["quote at 1", "begin at 1", "pay c1 k at 1"]
    assert steps == ["quote", "begin", "pay"]
    assert purchase.booking == "b1"


async def test_what_is_not_answered_is_sent_again_to_the_next_replica() -> None:
    purchase, asked, _ = await insists(unknown(), ok(), BEGUN, unknown(), ok(booking="b1"))
    assert asked == ["quote at 1", "quote at 2", "begin at 1", "pay c1 k at 1", "pay c1 k at 2"]
    assert [answer.unknown for answer in purchase.payments] == [True, False]


async def test_a_checkout_nobody_knows_of_is_begun_anew_from_the_quote_on() -> None:
    purchase, asked, _ = await insists(ok(), unknown(), refused(409), ok(), BEGUN, ok(booking="b1"))
    assert asked[1:4] == ["begin at 1", "begin at 2", "quote at 1"]
    assert (purchase.stopped_at, purchase.booking) == ("", "b1")


async def test_a_payment_that_nobody_answers_is_given_up_for_now() -> None:
    purchase, asked, _ = await insists(ok(), BEGUN, unknown(), unknown())
    assert len(asked) == 4
    assert purchase.outcome is None


async def test_who_gets_nowhere_stops_after_three_starts() -> None:
    purchase, asked, _ = await insists(*[unknown()] * 6)
    assert asked == ["quote at 1", "quote at 2"] * 3
    assert (purchase.stopped_at, purchase.checkout) == ("quote", None)
