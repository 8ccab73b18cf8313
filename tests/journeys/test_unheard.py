from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import pytest

from overbooked.capabilities.checkout import ChargeRow
from overbooked.capabilities.durable_state import DurableState
from overbooked.capabilities.webhooks import FAILS, FAILS_REFUND, PAYS, REFUNDS, ProviderEvent
from overbooked.journeys import undelivered_payments as unheard
from overbooked.journeys.buying import Purchase
from overbooked.journeys.undelivered_payments import (
    STORIES,
    PaymentStory,
    UndeliveredPayment,
    pay_undelivered,
    stories,
    tell,
)
from overbooked.system.customer import Customer
from overbooked.system.system import System
from overbooked.targets.adapter import Answer, Money, Outcome, Slot
from overbooked.targets.errors import TargetError
from tests.targets.one_object import OneObject

SLOT = Slot("s1", 1, Money(2500))
ANA = cast("Customer", object())


class Provider(OneObject):
    """A system with one charge; `deaf` deliveries of each event get no answer."""

    def __init__(self, *, deaf: int = 0, charges: int = 1) -> None:
        self.told: list[str] = []
        self.delivered: list[str] = []
        self.deaf = deaf
        self.charges = charges

    async def open_slot(self) -> Slot:
        return SLOT

    async def provider_pays(self, checkout: str) -> None:
        self.told.append(f"{checkout} captured")

    async def provider_fails(self, checkout: str) -> None:
        self.told.append(f"{checkout} failed")

    async def provider_refunds(self, charge: str, minor: int) -> None:
        self.told.append(f"{charge} refunded {minor}")

    async def provider_fails_refund(self, charge: str, minor: int) -> None:
        self.told.append(f"{charge} refund of {minor} failed")

    def provider_does(self) -> dict[str, tuple[str, ...]]:
        return {"card": (REFUNDS,), "bank": (PAYS, FAILS)}

    async def state(self, *, checkouts: Sequence[str]) -> DurableState:
        (checkout,) = checkouts
        charge = ChargeRow("ch1", checkout, "EUR", 2500, 0)
        return DurableState(charges=(charge,) * self.charges)

    async def events(self, charges: Sequence[str]) -> list[ProviderEvent]:
        (charge,) = charges
        return [
            ProviderEvent(id_, "told", charge, {}, acknowledged=self.delivered.count(id_) > self.deaf)
            for id_ in self.told
        ]

    async def redeliver(self, event: ProviderEvent) -> None:
        self.delivered.append(event.id)


def buying(monkeypatch: pytest.MonkeyPatch, outcome: Outcome) -> None:
    async def buys(system: Any, who: Customer, slot: Slot, *, method: str) -> Purchase:
        return Purchase(who, slot, "k", method, {"checkout": "c1"}, [Answer(outcome, 202)])

    monkeypatch.setattr(unheard, "buy", buys)


async def paid(provider: Provider, **how: Any) -> UndeliveredPayment:
    return await pay_undelivered(cast("System", provider), ANA, **how)


async def test_the_provider_has_done_its_part_and_told_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    buying(monkeypatch, Outcome.OK)
    provider = Provider()
    payment = await paid(provider, refunds=(400, 700))
    assert [event.id for event in payment.events] == ["c1 captured", "ch1 refunded 400", "ch1 refunded 700"]
    assert (payment.checkout, payment.charge, payment.slot) == ("c1", "ch1", SLOT)
    assert not provider.delivered


async def test_a_card_is_captured_by_whoever_pays_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    buying(monkeypatch, Outcome.OK)
    payment = await paid(Provider(), method="card", refunds=(400,))
    assert [event.id for event in payment.events] == ["ch1 refunded 400"]


async def test_a_story_happens_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    buying(monkeypatch, Outcome.OK)
    story = PaymentStory("a story", "bank", ((PAYS, 0), (FAILS_REFUND, 300), (REFUNDS, 400)))
    payment = await tell(cast("System", Provider()), ANA, story)
    assert [event.id for event in payment.events] == [
        "c1 captured",
        "ch1 refund of 300 failed",
        "ch1 refunded 400",
    ]
    assert payment.story is story


async def test_a_transfer_may_fail_and_a_card_may_be_declined(monkeypatch: pytest.MonkeyPatch) -> None:
    buying(monkeypatch, Outcome.OK)
    failed = await tell(cast("System", Provider()), ANA, PaymentStory("fails", "bank", ((FAILS, 0),)))
    assert [event.id for event in failed.events] == ["c1 failed"]
    buying(monkeypatch, Outcome.REFUSED)
    provider = Provider()
    provider.told.append("c1 declined")
    declined = await tell(cast("System", provider), ANA, PaymentStory("declined", "declined card"))
    assert [event.id for event in declined.events] == ["c1 declined"]


def test_only_stories_that_the_provider_can_tell_are_told() -> None:
    told = {story.name for story in stories(cast("System", Provider()))}
    assert {"card", "card, refunded", "bank", "bank, failed"} <= told
    assert not {story.name for story in STORIES if "fails" in story.name or "declined" in story.name} & told
    assert "bank, refunded" not in told


async def test_what_is_not_acknowledged_is_delivered_again_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    buying(monkeypatch, Outcome.OK)
    provider = Provider(deaf=1)
    payment = await paid(provider, refunds=(400,))
    await payment.deliver_all()
    assert provider.delivered == ["c1 captured", "ch1 refunded 400"] * 2
    assert not await payment.unacknowledged()


async def test_nobody_delivers_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    buying(monkeypatch, Outcome.OK)
    payment = await paid(Provider(deaf=1000))
    await payment.deliver_all()
    assert len(await payment.unacknowledged()) == 1


@pytest.mark.parametrize(
    ("outcome", "provider", "message"),
    [
        (Outcome.REFUSED, Provider(), "to buy a place by"),
        (Outcome.OK, Provider(charges=2), "one charge"),
        (Outcome.OK, Provider(deaf=-1), "wanted undelivered events"),
    ],
)
async def test_what_is_no_such_payment_is_said_before_it_is_judged(
    monkeypatch: pytest.MonkeyPatch, outcome: Outcome, provider: Provider, message: str
) -> None:
    buying(monkeypatch, outcome)
    with pytest.raises(TargetError, match=message):
        await paid(provider)
