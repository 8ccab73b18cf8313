from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import pytest

from overbooked.journeys import undelivered_payments as unheard
from overbooked.journeys.buying import Purchase
from overbooked.journeys.undelivered_payments import Unheard, pays_unheard
from overbooked.targets.adapter import Answer, ChargeRow, DurableState, Money, Outcome, ProviderEvent, Slot
from overbooked.targets.errors import TargetFailed
from overbooked.targets.person import Person
from overbooked.targets.system import System

SLOT = Slot("s1", 1, Money(2500))
ANA = cast("Person", object())


class Provider:
    """A system of one charge; `deaf` deliveries of each event go unanswered."""

    def __init__(self, *, deaf: int = 0, charges: int = 1) -> None:
        self.told: list[str] = []
        self.delivered: list[str] = []
        self.deaf = deaf
        self.charges = charges

    async def open_slot(self) -> Slot:
        return SLOT

    async def provider_pays(self, checkout: str) -> None:
        self.told.append(f"{checkout} captured")

    async def provider_refunds(self, charge: str, minor: int) -> None:
        self.told.append(f"{charge} refunded {minor}")

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
    async def buys(system: Any, who: Person, slot: Slot, *, method: str) -> Purchase:
        return Purchase(who, slot, "k", method, {"checkout": "c1"}, [Answer(outcome, 202)])

    monkeypatch.setattr(unheard, "buys", buys)


async def paid(provider: Provider, **how: Any) -> Unheard:
    return await pays_unheard(cast("System", provider), ANA, **how)


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


async def test_what_is_not_acknowledged_is_delivered_again_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    buying(monkeypatch, Outcome.OK)
    provider = Provider(deaf=1)
    payment = await paid(provider, refunds=(400,))
    await payment.heard()
    assert provider.delivered == ["c1 captured", "ch1 refunded 400"] * 2
    assert not await payment.unacknowledged()


async def test_nobody_delivers_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    buying(monkeypatch, Outcome.OK)
    payment = await paid(Provider(deaf=1000))
    await payment.heard()
    assert len(await payment.unacknowledged()) == 1


@pytest.mark.parametrize(
    ("outcome", "provider", "message"),
    [
        (Outcome.REFUSED, Provider(), "had to buy"),
        (Outcome.OK, Provider(charges=2), "one charge"),
        (Outcome.OK, Provider(deaf=-1), "none of them delivered"),
    ],
)
async def test_what_is_no_such_payment_is_said_before_it_is_judged(
    monkeypatch: pytest.MonkeyPatch, outcome: Outcome, provider: Provider, message: str
) -> None:
    buying(monkeypatch, outcome)
    with pytest.raises(TargetFailed, match=message):
        await paid(provider)
