"""The cases of races on one slot: how full the slot is, and who may lose."""

from __future__ import annotations

import pytest

from overbooked.journeys.slot_races import OPERATIONS, ROOM, can_run, is_contested, places_left
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


async def test_a_target_is_asked_for_what_it_offers() -> None:
    async with Town() as town, at(town) as system:
        able = {name for name in OPERATIONS if can_run(system, (name, ROOM))}
    assert able == {"book", "hold", "pay", "cancel", "cancel another"}
