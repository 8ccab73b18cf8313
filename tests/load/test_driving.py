"""One load from an idle system to a verdict, with the generator's process replaced."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from overbooked.capabilities import Capability
from overbooked.capabilities.booking import BOOKING, BookingRow
from overbooked.capabilities.checkout import CHECKOUT, ChargeRow, HoldRow
from overbooked.capabilities.durable_state import DURABLE_STATE, DurableState
from overbooked.capabilities.jobs import JOBS
from overbooked.descriptor import Descriptor
from overbooked.errors import ConfigError, GapFound, HarnessError, HostNotAllowed, SystemDied
from overbooked.histories import History
from overbooked.load import drive as driving
from overbooked.load.drive import drive
from overbooked.load.generator import GeneratorLost
from overbooked.load.invariants import check_invariants
from overbooked.load.measurements import Measured
from overbooked.load.plan import LoadPlan
from overbooked.stacks.base.protocol import Stack
from overbooked.system.system import System
from overbooked.targets.adapter import Money, Slot
from overbooked.verdicts.scorecard import LoadScore
from overbooked.verdicts.verdict import Verdict
from tests.histories.writing import ok, refused, unknown
from tests.load.samples import measured, profile
from tests.targets.one_object import OneObject
from tests.targets.town import Town, at

TOWN = Descriptor(name="town", adapter="tests.targets.town:TownHall", root=Path(__file__).parents[2])


class Machine:
    """A stack that may have died."""

    def __init__(self, died: Exception | None = None) -> None:
        self.died = died

    async def check(self) -> None:
        if self.died is not None:
            raise self.died


class Generator:
    """Replaces the process: returns predefined measurements and stores the plan."""

    def __init__(self, outcome: Measured | Exception) -> None:
        self.outcome = outcome
        self.plan: LoadPlan | None = None

    async def __call__(self, plan: LoadPlan, *, processes: int = 1) -> Measured:
        self.plan = plan
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome


async def driven(
    monkeypatch: pytest.MonkeyPatch,
    outcome: Measured | Exception,
    *,
    died: Exception | None = None,
    broken: GapFound | None = None,
    **changes: Any,
) -> tuple[LoadScore, Generator]:
    generator = Generator(outcome)
    monkeypatch.setattr(driving, "generate", generator)

    async def look(system: System, slots: Sequence[Slot], history: History) -> None:
        if broken is not None:
            raise broken

    async with Town() as town, at(town) as system:
        stack = cast("Stack", Machine(died))
        score = await drive(profile(**changes), system, stack, TOWN, seed=1, look=look)
    return score, generator


async def test_people_slots_and_arrivals_are_made_for_the_load(monkeypatch: pytest.MonkeyPatch):
    score, generator = await driven(monkeypatch, measured())
    assert score.verdict is Verdict.CLOSED
    assert score.profile == "small"
    plan = generator.plan
    assert plan is not None
    assert (len(plan.people), len(plan.slots), len(plan.arrivals), len(plan.doors)) == (3, 2, 40, 1)
    assert plan.adapter == TOWN.adapter


async def test_an_invariant_that_does_not_hold_opens(monkeypatch: pytest.MonkeyPatch):
    score, _ = await driven(monkeypatch, measured(), broken=GapFound("oversold"))
    assert (score.verdict, score.reason) == (Verdict.OPEN, "oversold")
    assert score.figures["requests"] == 100


async def test_a_system_that_died_opens(monkeypatch: pytest.MonkeyPatch):
    score, _ = await driven(monkeypatch, measured(), died=SystemDied("app ended with -11"))
    assert (score.verdict, score.reason) == (Verdict.OPEN, "app ended with -11")


@pytest.mark.parametrize("error", [GeneratorLost("load generator 1 was lost"), HarnessError("broken")])
async def test_what_is_our_fault_is_inconclusive(monkeypatch: pytest.MonkeyPatch, error: Exception):
    score, _ = await driven(monkeypatch, error)
    assert score.verdict is Verdict.INCONCLUSIVE
    assert str(error) in score.reason
    assert score.figures == {}


async def test_what_the_user_has_to_mend_is_raised(monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(ConfigError, match="no such adapter"):
        await driven(monkeypatch, ConfigError("no such adapter"))


async def test_journeys_the_target_does_not_know_are_left_out(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("tests.targets.town.TownHall.capabilities", frozenset({BOOKING}))
    _, generator = await driven(monkeypatch, measured(), journeys={"book": 1, "buy": 9})
    assert generator.plan is not None
    assert {arrival.visit for arrival in generator.plan.arrivals} == {"book"}


async def test_a_target_that_knows_none_of_the_journeys_is_not_covered(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("tests.targets.town.TownHall.capabilities", frozenset({BOOKING}))
    score, generator = await driven(monkeypatch, measured(), journeys={"buy": 1})
    assert score.verdict is Verdict.NOT_COVERED
    assert "checkout" in score.reason
    assert generator.plan is None


async def test_no_load_goes_to_a_host_that_is_not_allowed():
    system = SimpleNamespace(client=SimpleNamespace(urls=("http://203.0.113.9",)))
    with pytest.raises(HostNotAllowed, match=r"203\.0\.113\.9"):
        await drive(profile(), cast("System", system), cast("Stack", Machine()), TOWN, seed=1)


# -- invariants afterwards ---------------------------------------------------------------------

SLOT = Slot("s1", 2, Money(100))


class Shown(OneObject):
    """A system at rest with some durable state."""

    def __init__(self, state: DurableState, *capabilities: Capability[Any], taken: int = 0) -> None:
        self.adapter = SimpleNamespace(capabilities=frozenset(capabilities))
        self.recovered = 0
        self._state = state
        self._taken = taken

    async def recover(self) -> None:
        self.recovered += 1

    async def state(self, *, slots: Sequence[str]) -> DurableState:
        assert slots == ["s1"]
        return self._state

    async def places(self, slot: Slot) -> tuple[int, int]:
        return slot.capacity, self._taken


def booked(*names: str, status: str = "confirmed", **more: Any) -> tuple[BookingRow, ...]:
    return tuple(BookingRow(name, "s1", "ana", status, **more) for name in names)


def hold(name: str) -> HoldRow:
    return HoldRow(name, "s1", None, live=True)


async def looked(state: DurableState, *operations: Any, also: tuple[Capability[Any], ...] = ()) -> Shown:
    system = Shown(state, BOOKING, DURABLE_STATE, *also)
    await check_invariants(cast("System", system), [SLOT], History.of(operations))
    return system


def book(name: str, at: float) -> Any:
    return ok("ana", at, at + 0.5, "book", name, slot="s1")


async def test_a_state_that_keeps_every_promise_passes():
    cancelled = ok("ana", 3, 4, "cancel", booking="b2")
    state = DurableState(bookings=(*booked("b1"), *booked("b2", status="cancelled")))
    await looked(state, book("b1", 1), book("b2", 2), cancelled, refused("ben", 2, 3, "book", slot="s1"))


async def test_answers_alone_can_prove_an_oversold_slot():
    with pytest.raises(GapFound, match="more bookings than capacity"):
        await looked(DurableState(), *(book(f"b{n}", n) for n in range(3)))


async def test_bookings_and_live_holds_share_the_places():
    with pytest.raises(GapFound, match="more bookings than capacity"):
        await looked(
            DurableState(bookings=booked("b1", "b2"), holds=(hold("h"),)), book("b1", 1), book("b2", 2)
        )


async def test_a_promised_booking_that_is_gone_is_found():
    with pytest.raises(GapFound, match="acknowledged booking is not in the database"):
        await looked(DurableState(), book("b1", 1))


async def test_a_booking_nobody_was_told_of_needs_a_request_without_answer():
    state = DurableState(bookings=booked("b9"))
    with pytest.raises(GapFound, match="no client was told of"):
        await looked(state)
    system = await looked(state, unknown("ana", 1, 2, "book", slot="s1"), also=(JOBS,))
    assert system.recovered == 1


@pytest.mark.parametrize("status", ["confirmed", "cancelled"])
async def test_a_cancellation_without_answer_may_have_happened_or_not(status: str):
    state = DurableState(bookings=booked("b1", status=status))
    await looked(state, book("b1", 1), unknown("ana", 2, 3, "cancel", booking="b1"))


async def test_money_is_looked_at_where_there_is_checkout():
    charge = ChargeRow("c1", "k1", "EUR", captured_minor=500, refunded_minor=0, captures=1)
    state = DurableState(charges=(charge,))
    await looked(state)
    with pytest.raises(GapFound, match="money is kept without a booking"):
        await looked(state, also=(CHECKOUT,))


@pytest.mark.parametrize(("taken", "fine"), [(2, True), (3, False)])
async def test_of_a_target_without_durable_state_its_places_are_looked_at(taken: int, fine: bool):
    system = cast("System", Shown(DurableState(), BOOKING, taken=taken))
    if fine:
        await check_invariants(system, [SLOT], History(()))
        return
    with pytest.raises(GapFound, match="more bookings than capacity"):
        await check_invariants(system, [SLOT], History(()))
