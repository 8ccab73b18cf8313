from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any, cast

import pytest

from overbooked.capabilities import Capability
from overbooked.capabilities.checkout import HoldRow
from overbooked.capabilities.differences import AGES_S, METHODS, NEAR_MISSES, SHAPES, RecordShape
from overbooked.capabilities.durable_state import DurableState
from overbooked.capabilities.reconciliation import DISCREPANCIES, Discrepancy, ReconciliationReport, Wanted
from overbooked.capabilities.webhooks import WEBHOOKS
from overbooked.errors import GapFound, HarnessError
from overbooked.journeys.planted_discrepancies import (
    EVERY_KIND,
    at_edges,
    combinations,
    few,
    plant,
    sample,
    settle_and_hold,
    slot_of,
)
from overbooked.system.system import System
from overbooked.targets.adapter import Slot
from tests.targets.one_object import OneObject


class Confused(OneObject):
    """A system whose records can be made to disagree, and that repairs orphan holds only when told to."""

    capabilities: frozenset[Capability[Any]] = frozenset()

    def __init__(self) -> None:
        self.adapter = self
        self.planted: list[str] = []
        self.done: list[str] = []
        self.repairs = True
        self.live: dict[str, bool] = {}

    shapes: Sequence[RecordShape] = SHAPES
    near_misses: Sequence[RecordShape] = NEAR_MISSES
    page_size = 500

    async def plant(self, wanted: Sequence[Wanted]) -> Sequence[Discrepancy]:
        return [self._planted(one.shape) for one in wanted]

    def _planted(self, shape: RecordShape) -> Discrepancy:
        self.planted.append(shape.name)
        slot = f"s{len(self.planted)}"
        self.live[slot] = shape.kind == "hold orphaned"
        facts = {"slot": slot, "price_minor": 2500}
        return Discrepancy(shape.kind, slot, facts, shape.name, shape.kinds, shape.repair)

    async def state(self, *, slots: Sequence[Slot], checkouts: Sequence[str]) -> DurableState:
        return DurableState(
            holds=tuple(
                HoldRow(f"h-{slot.id}", slot.id, None, self.live[slot.id])
                for slot in slots
                if slot.id in self.live
            )
        )

    async def settle(self) -> None:
        self.done.append("settle")

    async def reconcile(self) -> ReconciliationReport:
        self.done.append("reconcile")
        if self.repairs:
            self.live = dict.fromkeys(self.live, False)
        return ReconciliationReport("r1", (("c9", "amount differs"),))

    async def hold_deliveries(self, held: bool) -> None:
        self.done.append("hold deliveries")

    async def clear(self, planted: Sequence[Discrepancy]) -> None:
        self.done += [f"clear {one.shape}" for one in planted]


@pytest.fixture
def confused() -> Confused:
    return Confused()


@pytest.fixture
def system(confused: Confused) -> System:
    return cast("System", confused)


async def test_every_kind_there_is_is_planted(system: System, confused: Confused) -> None:
    planted = await plant(system)
    assert confused.planted == list(EVERY_KIND)
    assert {one.kind for one in planted.ones} == set(DISCREPANCIES)
    assert {one.kind for one in planted.for_a_person} == {"amount differs"}
    assert sorted([*planted.repairable, *planted.for_a_person], key=lambda one: one.subject) == sorted(
        planted.ones, key=lambda one: one.subject
    )


async def test_a_legitimate_state_is_neither_repaired_nor_left_to_a_person(system: System) -> None:
    planted = await plant(system, NEAR_MISSES)
    assert not [*planted.repairable, *planted.for_a_person]
    assert len(planted.near_misses) == len(NEAR_MISSES)


async def test_what_is_repaired_is_judged_by_what_was_planted(system: System, confused: Confused) -> None:
    planted = await plant(system, ["hold of no checkout", "charge of less there"])
    with pytest.raises(GapFound, match="hold orphaned, hold of no checkout: a hold is left behind"):
        await planted.assert_repaired()
    await system.reconciliation.reconcile()
    await planted.assert_repaired()


async def test_what_was_planted_is_cleared_away(system: System, confused: Confused) -> None:
    planted = await plant(system, ["hold of no checkout", "charge of less there"])
    await planted.clear()
    assert confused.done == ["clear hold of no checkout", "clear charge of less there"]


async def test_shapes_that_the_target_cannot_plant_are_left_out(system: System, confused: Confused) -> None:
    confused.shapes = [shape for shape in SHAPES if shape.name == "capture not posted"]
    await plant(system)
    assert confused.planted == ["capture not posted"]
    with pytest.raises(HarnessError, match="none of the shapes"):
        await plant(system, ["hold of no checkout"])


@pytest.mark.parametrize("seed", range(5))
def test_a_sample_has_every_shape_when_old_and_of_each_kind_other_ages_and_every_method(seed: int) -> None:
    chosen = sample(SHAPES, random.Random(seed))
    assert {one.shape for one in chosen if one.age_s == AGES_S["over a year"]} == set(SHAPES)
    assert len(chosen) < len(combinations(SHAPES)) / 5
    for kind in ("ledger pair missing", "captured there, unknown here", "hold orphaned"):
        own = [one for one in chosen if one.shape.kinds == (kind,)]
        assert AGES_S["minutes"] in {one.age_s for one in own}
        assert len({one.age_s for one in own}) >= 3
        assert {one.method for one in own} == set(METHODS)


async def test_differences_are_planted_at_the_edges_of_the_lists(system: System, confused: Confused) -> None:
    confused.page_size = 10
    edges = [one for one in at_edges(system.reconciliation) if one.position != -1]
    charges = sorted(one.position or 0 for one in edges if one.shape.kind == "captured there, unknown here")
    payments = sorted(one.position or 0 for one in edges if one.shape.kind != "captured there, unknown here")
    # The index of each in its own list: without those of the other list before it.
    assert [at - sum(other < at for other in payments) for at in charges] == [0, 9, 10, 19, 20]
    assert [at - sum(other < at for other in charges) for at in payments] == [0, 9, 10, 19, 20]


async def test_the_state_is_parted_by_what_was_planted(system: System) -> None:
    planted = await plant(system, ["hold of no checkout", "charge of less there"])
    states = planted.of_each(await planted.state())
    assert [len(states[one.subject][0].holds) for one in planted.ones] == [1, 1]
    assert {hold.slot for one in planted.ones for hold in states[one.subject][1].holds} == {"s1", "s2"}


def test_a_few_have_each_kind_in_different_shapes() -> None:
    chosen = few(SHAPES, random.Random(1), 2)
    assert {one.shape.kinds for one in chosen} == {shape.kinds for shape in SHAPES}
    assert few(SHAPES, random.Random(2), 2) != chosen


async def test_what_runs_cannot_clear_away_is_known_beforehand(system: System, confused: Confused) -> None:
    assert await settle_and_hold(system) == (("c9", "amount differs"),)
    assert confused.done == ["settle", "reconcile"]


async def test_events_repair_nothing_while_reconciliation_is_judged(
    system: System, confused: Confused
) -> None:
    confused.capabilities = frozenset({WEBHOOKS})
    await settle_and_hold(system)
    assert confused.done == ["settle", "hold deliveries", "reconcile"]


def test_a_slot_that_was_planted_on_has_one_place() -> None:
    one = Discrepancy("hold orphaned", "h1", {"slot": "s1", "price_minor": 990})
    assert (slot_of(one).id, slot_of(one).capacity, slot_of(one).price.minor) == ("s1", 1, 990)
