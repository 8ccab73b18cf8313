"""The cases of races on one slot: how full the slot is, and who may lose."""

from __future__ import annotations

import pytest

from overbooked.journeys.slot_races import OPERATIONS, ROOM, can_run, is_contested, layout, places_left
from scenarios.revenue.sys_03.test_double_booking import FAMILIES
from tests.targets.town import Town, at


@pytest.mark.parametrize(
    ("case", "left", "contested"),
    [
        (("book", "hold"), 1, True),
        (("book", "hold", ROOM), 2, False),
        (("cancel", "book"), 0, True),
        (("cancel", "move out"), 0, False),
        (("pay", "book"), 0, True),
        (("book the target", "book"), 1, False),
        (("shrink", "book"), 1, True),
        (("expire", "book", "book"), 0, True),
    ],
)
def test_a_slot_is_as_full_as_its_race_needs(case: tuple[str, ...], left: int, contested: bool) -> None:
    assert places_left(case) == left
    assert is_contested(case) is contested


@pytest.mark.parametrize("family", FAMILIES)
def test_every_race_has_as_many_free_places_as_its_operations_race_for(family: str) -> None:
    for case in FAMILIES[family]:
        capacity, occupied = layout(case)
        # A slot that shrinks has a place that can go.
        if any(OPERATIONS[name].takes for name in case if name != ROOM) and "shrink" not in case:
            assert capacity - occupied == places_left(case), case


@pytest.mark.parametrize("family", FAMILIES)
def test_in_every_race_somebody_can_succeed_where_a_lost_hold_cannot_be_paid(family: str) -> None:
    """A system may refuse to sell a place to whoever has lost it, although there are free ones."""
    assert [case for case in FAMILIES[family] if set(case) == {"pay a lost hold"}] == []


async def test_a_target_is_asked_for_what_it_offers() -> None:
    async with Town() as town, at(town) as system:
        able = {name for name in OPERATIONS if can_run(system, (name, ROOM))}
    assert able == {"book", "hold", "pay", "cancel", "cancel another"}
