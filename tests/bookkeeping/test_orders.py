"""Orders travel in the plan and say whether one schedule or all are to be run."""

from __future__ import annotations

from pathlib import Path

import pytest

from overbooked.runs.exploration_options import Orders
from overbooked.runs.plan import HEALTHY, Plan, Variant


@pytest.mark.parametrize(
    "orders",
    [
        None,
        Orders(),
        Orders(
            "a.py::test_it[2]", race="book and book", schedule=(0, 1, 0), scenario_seed=2**63, bundles=False
        ),
        Orders(match="it", step=True, preemptions=1),
        Orders(schedule=(), orders_commits=False),
        Orders(shard=(2, 8)),
    ],
)
def test_orders_travel_in_the_plan(tmp_path: Path, orders: Orders | None) -> None:
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
        (Orders(), False),
        (Orders(preemptions=1), False),
        (Orders(schedule=()), True),
        (Orders(step=True), True),
    ],
)
def test_one_schedule_is_run_by_hand_or_step_by_step(orders: Orders, one: bool) -> None:
    assert orders.one is one
