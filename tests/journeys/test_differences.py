from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import pytest

from overbooked.errors import GapFound
from overbooked.journeys.planted_discrepancies import EVERY_KIND, plant, quiet, slot_of
from overbooked.targets.adapter import (
    DISCREPANCIES,
    Capability,
    Discrepancy,
    DurableState,
    HoldRow,
    ReconciliationReport,
    Slot,
)
from overbooked.targets.system import System


class Confused:
    """A system whose records can be made to disagree, and that repairs orphan holds only when told to."""

    capabilities: frozenset[Capability] = frozenset()

    def __init__(self) -> None:
        self.adapter = self
        self.planted: list[str] = []
        self.done: list[str] = []
        self.repairs = True
        self.live: dict[str, bool] = {}

    async def plant(self, kind: str) -> Discrepancy:
        self.planted.append(kind)
        slot = f"s{len(self.planted)}"
        self.live[slot] = kind == "hold orphaned"
        return Discrepancy(kind, slot, {"slot": slot, "price_minor": 2500})

    async def state(self, *, slots: Sequence[Slot]) -> DurableState:
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

    async def hold_deliveries(self) -> None:
        self.done.append("hold deliveries")

    async def mend(self, one: Discrepancy) -> None:
        self.done.append(f"mend {one.kind}")


@pytest.fixture
def confused() -> Confused:
    return Confused()


@pytest.fixture
def system(confused: Confused) -> System:
    return cast("System", confused)


async def test_every_kind_there_is_is_planted(system: System, confused: Confused) -> None:
    planted = await plant(system)
    assert confused.planted == list(EVERY_KIND)
    assert set(confused.planted) == set(DISCREPANCIES)
    assert {one.kind for one in planted.for_a_person} == {"amount differs"}
    assert sorted([*planted.repairable, *planted.for_a_person], key=lambda one: one.subject) == sorted(
        planted.ones, key=lambda one: one.subject
    )


async def test_what_is_repaired_is_judged_by_what_was_planted(system: System, confused: Confused) -> None:
    planted = await plant(system, ["hold orphaned", "amount differs"])
    with pytest.raises(GapFound, match="hold orphaned: a hold is left behind"):
        await planted.are_repaired()
    await system.reconcile()
    await planted.are_repaired()


async def test_only_what_waits_for_a_person_is_mended(system: System, confused: Confused) -> None:
    planted = await plant(system, ["hold orphaned", "amount differs"])
    await planted.mend()
    assert confused.done == ["mend amount differs"]


async def test_what_runs_cannot_clear_away_is_known_beforehand(system: System, confused: Confused) -> None:
    assert await quiet(system) == (("c9", "amount differs"),)
    assert confused.done == ["settle", "reconcile"]


async def test_events_repair_nothing_while_reconciliation_is_judged(
    system: System, confused: Confused
) -> None:
    confused.capabilities = frozenset({Capability.WEBHOOKS})
    await quiet(system)
    assert confused.done == ["settle", "hold deliveries", "reconcile"]


def test_a_slot_that_was_planted_on_has_one_place() -> None:
    one = Discrepancy("hold orphaned", "h1", {"slot": "s1", "price_minor": 990})
    assert (slot_of(one).id, slot_of(one).capacity, slot_of(one).price.minor) == ("s1", 1, 990)
