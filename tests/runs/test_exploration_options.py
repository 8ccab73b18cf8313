"""Exploration options are part of the plan and select one schedule or all."""

from __future__ import annotations

from pathlib import Path

import pytest

from overbooked.runs.exploration_options import ExplorationOptions
from overbooked.runs.plan import HEALTHY, Plan, Variant


@pytest.mark.parametrize(
    "orders",
    [
        None,
        ExplorationOptions(),
        ExplorationOptions(
            "a.py::test_it[2]", race="book and book", schedule=(0, 1, 0), scenario_seed=2**63, bundles=False
        ),
        ExplorationOptions(match="it", step=True, preemptions=1),
        ExplorationOptions(schedule=(), orders_commits=False),
        ExplorationOptions(shard=(2, 8)),
    ],
)
def test_orders_travel_in_the_plan(tmp_path: Path, orders: ExplorationOptions | None) -> None:
    plan = Plan(
        run="toy",
        directory=tmp_path,
        root=tmp_path,
        start=tmp_path,
        settings={},
        seed=7,
        variants=(Variant(HEALTHY, None, ("SYS-03.a",)),),
        orders=orders,
    )
    plan.write(tmp_path / "plan.json")
    assert Plan.read(tmp_path / "plan.json") == plan


@pytest.mark.parametrize(
    ("orders", "one"),
    [
        (ExplorationOptions(), False),
        (ExplorationOptions(preemptions=1), False),
        (ExplorationOptions(schedule=()), True),
        (ExplorationOptions(step=True), True),
    ],
)
def test_one_schedule_is_run_by_hand_or_step_by_step(orders: ExplorationOptions, one: bool) -> None:
    assert orders.one is one
