"""Journeys under faults: preparation, recovery, and the verdict of each trial."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

import pytest

from overbooked.capabilities import known
from overbooked.capabilities.checkout import HoldRow, Settlement
from overbooked.capabilities.durable_state import DurableState
from overbooked.capabilities.webhooks import ProviderEvent
from overbooked.concurrency import run_limited
from overbooked.journeys import reconciliation_sweep as swept_reconciliation
from overbooked.journeys import webhook_sweep as swept_webhook
from overbooked.journeys.aspects import ANSWERS, HOLDS, MONEY
from overbooked.journeys.checkout_sweep import BY_CLIENT, BY_EVENTS, BY_ITSELF, CheckoutJourney
from overbooked.journeys.planted_discrepancies import PlantedDiscrepancies
from overbooked.journeys.reconciliation_sweep import REPAIRS, ReconciliationJourney
from overbooked.journeys.undelivered_payments import UndeliveredPayment
from overbooked.journeys.webhook_sweep import WebhookJourney
from overbooked.system.system import System
from overbooked.targets.adapter import (
    Action,
    Answer,
    CheckoutStep,
    HttpRequest,
    HttpResponse,
    Money,
    Outcome,
    Slot,
)
from overbooked.targets.errors import TargetError
from tests.oracles.books import NOTHING, PAID, booking, charge, ok, unknown
from tests.targets.one_object import OneObject

BEGUN = ok(checkout="c1")


def _action(verb: str) -> Action:
    return Action(verb, "ana", HttpRequest("POST", "/"), _unread)


def _unread(response: HttpResponse) -> Answer:
    raise AssertionError("nothing is sent")


class Ana:
    nick = "ana"

    def new_key(self) -> str:
        return "k"

    def checks_out(self, slot: Slot, *, key: str, method: str) -> Sequence[CheckoutStep]:
        return [
            CheckoutStep("begin", lambda _: _action("begin")),
            CheckoutStep("pay", lambda _: _action("pay")),
        ]

    def resumes(self, checkout: str, *, key: str, method: str = "card") -> Action:
        return _action("pay")

    def reads(self, checkout: str) -> Action:
        return _action("read")

    def books(self, slot: Slot) -> Action:
        return _action("book")


class House(OneObject):
    """A system with predefined answers by verb and predefined state that records its calls."""

    def __init__(self, answers: Mapping[str, Sequence[Answer]] | None = None) -> None:
        self.answers = {verb: list(said) for verb, said in (answers or {}).items()}
        self.state_now: DurableState = NOTHING
        self.done: list[str] = []
        self.fails = 0
        self.unacknowledged: list[ProviderEvent] = []
        self.adapter = type("Adapter", (), {"capabilities": frozenset(known().values())})()

    def as_system(self) -> System:
        return cast("System", self)

    async def do(self, action: Action, *, replica: int | None = None) -> Answer:
        self.done.append(f"{action.verb} at {replica}")
        said = self.answers.get(action.verb, [ok()])
        return said.pop(0) if len(said) > 1 else said[0]

    async def customers(self, n: int) -> list[Any]:
        return [Ana() for _ in range(n)]

    repricings = ("slot price",)

    async def reprice(self, slot: Slot, way: str, price: Money) -> None:
        self.done.append(f"reprice by {way}")

    async def provider_pays(self, checkout: str) -> None:
        self._did("the transfer arrives")

    async def second_session(self, who: Any) -> Any:
        return Ana()

    async def open_slot(self, capacity: int = 1, *, private_venue: bool = False) -> Slot:
        return Slot("s1", capacity, Money(2500))

    async def state(self, *, slots: Sequence[Any] | None = None, **_: Any) -> DurableState:
        return self.state_now

    async def hold_deliveries(self, held: bool) -> None:
        self.done.append("hold deliveries")

    async def delay_refunds(self, delayed: bool) -> None:
        self.done.append("delay refunds")

    async def advance(self, seconds: float) -> None:
        self.done.append("wait")

    async def settle(self) -> None:
        self.done.append("settle")

    async def recover(self) -> None:
        self._did("recover")

    async def reconcile(self) -> None:
        self._did("reconcile")

    async def log_in(self, who: Any) -> None:
        self.done.append("log in")

    async def redeliver(self, event: ProviderEvent) -> None:
        self._did("deliver")

    async def events(self, charges: Sequence[str]) -> list[ProviderEvent]:
        return self.unacknowledged

    def _did(self, what: str) -> None:
        self.done.append(what)
        if self.fails:
            self.fails -= 1
            raise TargetError(what)


def nowhere(step: str) -> None:
    """Ignore a step."""


class TestCheckout:
    async def test_whoever_does_not_know_comes_back_before_recovery_unless_he_is_patient(self) -> None:
        house = House({"begin": [BEGUN], "pay": [unknown()]})
        journey = CheckoutJourney(house.as_system())
        soon, late = await journey.prepare(2)
        late.patient = True
        for trial in (soon, late):
            await trial.play(0, nowhere)
            assert trial.undecided
        house.done.clear()
        await journey.finish([soon, late])
        settled = house.done.index("settle")
        assert house.done[:3] == ["wait", *["reprice by slot price"] * 2]
        assert house.done[3:settled] == ["log in", "pay at 0", "pay at 1"]
        assert [done for done in house.done[settled:] if done.startswith("pay at ")] == [
            *["pay at 0"] * 2,
            *["pay at 1"] * 2,
            *["pay at None"] * 2,  # with another key
        ]

    async def test_each_aspect_has_its_own_finding(self) -> None:
        house = House({"begin": [BEGUN], "pay": [ok(booking="b9")]})
        journey = CheckoutJourney(house.as_system())
        (trial,) = await journey.prepare(1)
        await trial.play(0, nowhere)
        house.state_now = DurableState(charges=(charge(),), holds=(HoldRow("h", "s1", "c1", live=True),))
        await trial.glance()
        assert set(trial.findings.by_aspect) == {ANSWERS}  # the booking that the client was told is missing
        await journey.finish([trial])
        assert {MONEY, HOLDS, ANSWERS} <= set(trial.findings.by_aspect)

    async def test_a_purchase_in_order_leaves_no_finding(self) -> None:
        house = House({"begin": [BEGUN], "pay": [ok()], "book": [ok()]})
        journey = CheckoutJourney(house.as_system())
        (trial,) = await journey.prepare(1)
        others = tuple(booking(f"b{n}", checkout=None) for n in range(2, 5))
        house.state_now = replace(PAID, bookings=(*PAID.bookings, *others))
        await trial.play(0, nowhere)
        await trial.glance()
        await journey.finish([trial])
        assert not trial.findings

    async def test_a_payment_that_settles_later_arrives_and_is_reported_to_the_patient_first(self) -> None:
        house = House({"begin": [BEGUN], "pay": [Answer(Outcome.OK, 202, {"pending": True})]})
        journey = CheckoutJourney(house.as_system(), "bank", Settlement.LATER, reported=True)
        soon, late = await journey.prepare(2)
        late.patient = True
        house.state_now = DurableState(charges=(charge(captured=0),))
        house.unacknowledged = [ProviderEvent("e1", "payment.captured", "ch1", {})]
        for trial in (soon, late):
            await trial.play(0, nowhere)
            assert trial.done
            await trial.glance()
        house.done.clear()
        await journey.finish([soon, late])
        settled = house.done.index("settle")
        assert house.done[3:settled] == ["the transfer arrives", "the transfer arrives", "deliver"]
        assert journey.name == "checkout-by-bank-reported"
        assert BY_EVENTS in journey.recoveries
        house.done.clear()
        await late.recover(0, BY_EVENTS)
        assert house.done == ["deliver", "deliver"]

    async def test_a_payment_that_settles_later_may_arrive_after_recovery(self) -> None:
        house = House({"begin": [BEGUN], "pay": [Answer(Outcome.OK, 202, {"pending": True})]})
        journey = CheckoutJourney(house.as_system(), "bank", Settlement.LATER)
        (trial,) = await journey.prepare(1)
        house.state_now = DurableState(charges=(charge(captured=0),))
        await trial.play(0, nowhere)
        house.done.clear()
        await journey.finish([trial])
        assert house.done[2:5] == ["recover", "the transfer arrives", "settle"]
        assert (journey.name, journey.recoveries) == ("checkout-by-bank", (BY_CLIENT, BY_ITSELF))

    async def test_a_declined_payment_is_done_when_it_is_refused(self) -> None:
        house = House({"begin": [BEGUN], "pay": [Answer(Outcome.REFUSED, 402, problem="declined")]})
        journey = CheckoutJourney(house.as_system(), "declined card", Settlement.DECLINED)
        (trial,) = await journey.prepare(1)
        assert not trial.done
        await trial.play(0, nowhere)
        assert trial.done
        assert journey.name == "checkout-by-declined-card"
        assert CheckoutJourney(house.as_system(), reported=True).name == "checkout-reported"

    async def test_a_client_takes_it_up_again_until_he_knows(self) -> None:
        house = House({"begin": [BEGUN], "pay": [unknown()]})
        (trial,) = await CheckoutJourney(house.as_system()).prepare(1)
        await trial.recover(0, BY_CLIENT)
        assert "pay at 0" not in house.done
        await trial.play(0, nowhere)
        house.done.clear()
        await trial.recover(0, BY_CLIENT)
        assert house.done == ["pay at 0", "pay at 1"]

    async def test_recovery_that_fails_is_tried_again(self) -> None:
        house = House({"begin": [BEGUN], "pay": [ok()]})
        (trial,) = await CheckoutJourney(house.as_system()).prepare(1)
        house.done.clear()
        house.fails = 1
        await trial.recover(0, BY_ITSELF)
        assert house.done == ["recover", "recover"]

    async def test_a_probe_reads_and_logs_in_when_the_clock_was_moved(self) -> None:
        expired = Answer(unknown().outcome, 401)
        house = House({"begin": [BEGUN], "pay": [ok()], "read": [ok(), expired]})
        journey = CheckoutJourney(house.as_system())
        await journey.probe(1)
        house.done.clear()
        await journey.probe(1)
        assert house.done == ["read at 1", "log in"]


class TestWebhook:
    @pytest.fixture
    def house(self, monkeypatch: pytest.MonkeyPatch) -> House:
        house = House()
        event = ProviderEvent("e1", "payment.captured", "ch1", {})

        async def pays(system: System, who: Any) -> UndeliveredPayment:
            return UndeliveredPayment(system, Slot("s1", 1, Money(2500)), "c1", "ch1", [event])

        monkeypatch.setattr(swept_webhook, "pay_undelivered", pays)
        return house

    async def test_a_delivery_that_fails_is_left_to_a_later_one(self, house: House) -> None:
        journey = WebhookJourney(house.as_system())
        steps: list[str] = []
        (trial,) = await journey.prepare(1)
        house.fails = 1
        house.unacknowledged = list(trial.unheard.events)
        await trial.play(0, steps.append)
        assert steps == ["payment.captured"]
        assert trial.undecided
        house.unacknowledged = []
        await trial.recover(0, journey.recoveries[0])
        await trial.play(0, steps.append)
        assert not trial.undecided

    async def test_it_is_judged_when_all_is_at_rest(self, house: House) -> None:
        journey = WebhookJourney(house.as_system())
        await journey.probe(0)
        one, other = await journey.prepare(2)
        other.patient = True
        house.state_now = DurableState(charges=(charge(),))
        await one.glance()
        assert not one.findings
        await journey.finish([one, other])
        assert MONEY in one.findings.by_aspect
        assert house.done[-1] == "settle"


class TestReconciliation:
    @pytest.fixture
    def house(self, monkeypatch: pytest.MonkeyPatch) -> House:
        house = House({"begin": [BEGUN], "pay": [ok()], "read": [ok()]})

        async def plant(system: System, kinds: Sequence[str]) -> PlantedDiscrepancies:
            house.done.append("plant")
            return PlantedDiscrepancies(system, [], NOTHING)

        async def quiet(system: System) -> None:
            house.done.append("quiet")

        monkeypatch.setattr(swept_reconciliation, "plant", plant)
        monkeypatch.setattr(swept_reconciliation, "settle_and_hold", quiet)
        return house

    async def test_a_run_that_was_struck_is_started_again_before_the_next_is_prepared(
        self, house: House
    ) -> None:
        journey = ReconciliationJourney(house.as_system(), ["capture not posted"])
        one, other = await journey.prepare(2)
        assert house.done == ["quiet", "delay refunds", "plant"]
        house.done.clear()
        await one.ready()
        house.fails = 1
        await one.play(0, nowhere)
        await other.ready()
        assert house.done == ["plant", "reconcile", "reconcile", "plant"]
        await other.recover(0, journey.recoveries[0])
        await journey.finish([one, other])
        await journey.clear()
        assert house.done[-1] == "recover"
        assert not one.findings

    async def test_a_record_that_nobody_may_touch_is_watched(self, house: House) -> None:
        journey = ReconciliationJourney(house.as_system(), [])
        (trial,) = await journey.prepare(1)
        await trial.ready()
        await trial.play(0, nowhere)
        await trial.glance()
        await journey.started_again()
        house.state_now = PAID
        await journey.finish([trial])
        assert REPAIRS in trial.findings.by_aspect

    async def test_its_probe_is_a_customer_who_reads(self, house: House) -> None:
        journey = ReconciliationJourney(house.as_system(), [])
        await journey.later()
        await journey.probe(0)
        assert house.done[-1] == "read at 0"


async def test_much_is_done_a_little_at_a_time() -> None:
    under_way, most = [0], [0]

    async def work(n: int) -> int:
        under_way[0] += 1
        most[0] = max(most[0], under_way[0])
        await asyncio.sleep(0)
        under_way[0] -= 1
        return n

    assert await run_limited([work(n) for n in range(7)], 3) == list(range(7))
    assert most[0] == 3
