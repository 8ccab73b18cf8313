"""Replays of fault plans: the same fault at the same point, judged by the same aspect."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from overbooked.bundles.schema import Bundle
from overbooked.errors import HarnessError
from overbooked.fault_points import scenario_sweeps
from overbooked.fault_points.evidence import record
from overbooked.fault_points.points import FaultPlan
from overbooked.fault_points.sweep import sweep
from overbooked.recording import Recording
from tests.bundles.test_schema import bundle
from tests.fault_points.test_sweeper import Impatient

from .conftest import Called, Project
from .tolls import SCENARIO, Booth, prepare


@pytest.fixture
def booth(project: Project, monkeypatch: pytest.MonkeyPatch) -> Iterator[Booth]:
    booth = prepare(project, monkeypatch)
    booth.kind, booth.recovers = Impatient, False
    yield booth
    assert booth.diary.count("start") == booth.diary.count("close")


@pytest.fixture
async def recorded(booth: Booth, project: Project) -> Path:
    """A bundle of the first fault that leaves a purchase charged and not booked."""
    found = await sweep(booth.stack.as_stack(), booth.journey(None), rng=random.Random(7))
    recorded = record(found, "money")
    assert recorded is not None
    file = project.root / "toll.json"
    file.write_text(bundle_of(recorded.recording).dumped())
    return file


def bundle_of(recording: Recording, scenario: str = SCENARIO, clause: str = "SYS-03.c") -> Bundle:
    whole = bundle(recording, scenario=scenario, clause=clause)
    fits = whole.fits.model_copy(update={"target": "toy", "scenario": "", "catalog": "", "migrations": ""})
    expected = whole.expected.model_copy(update={"what": "charged and not booked"})
    return whole.model_copy(update={"fits": fits, "expected": expected})


def replay(project: Project, file: Path, *more: str) -> Called:
    return project.call("replay", str(file), *more)


def test_a_fault_plan_ends_as_it_did(project: Project, recorded: Path) -> None:
    called = replay(project, recorded, "--times", "3")
    assert "SYS-03.c is open, 3 of 3 as recorded: charged and not booked" in called.err
    assert called.code == 1
    assert "toll  POST" in called.err


def test_it_runs_the_scenario_on_one_stack_with_the_mutant_of_the_bundle(
    project: Project, booth: Booth, recorded: Path
) -> None:
    replay(project, recorded, "--times", "2")
    assert booth.stack.mutant == "SYS-03.1"
    replay(project, recorded, "--healthy")
    assert booth.stack.mutant is None
    assert booth.diary == ["start", "close"] * 2


def test_the_bundle_of_a_sweep_runs_the_scenario_that_registers_its_journey(
    project: Project, recorded: Path
) -> None:
    data = Bundle.model_validate_json(recorded.read_text())
    recorded.write_text(bundle_of(data.recording, scenario="", clause="").dumped())
    called = replay(project, recorded)
    assert "toll, money is open, 1 of 1 as recorded: charged and not booked" in called.err


def test_the_journey_of_the_bundle_is_run_also_where_the_scenario_sweeps_another(
    project: Project, recorded: Path
) -> None:
    scenario = project.root / "scenarios" / "test_tolls.py"
    scenario.write_text(scenario.read_text().replace("sweeps.sweep(toll(", "sweeps.sweep(detour("))
    called = replay(project, recorded)
    assert "SYS-03.c is open, 1 of 1 as recorded: charged and not booked" in called.err


def test_what_recovers_now_is_no_longer_found(project: Project, booth: Booth, recorded: Path) -> None:
    booth.recovers = True
    called = replay(project, recorded)
    assert called.code == 0
    assert "closed under this fault plan: no longer found: charged and not booked" in called.err


def test_a_fault_that_takes_no_effect_is_inconclusive(project: Project, booth: Booth, recorded: Path) -> None:
    booth.stack.refuses = "not here"
    called = replay(project, recorded)
    assert called.code == 3
    assert "the fault took no effect: not here" in called.err


def test_a_failure_of_ours_is_inconclusive_and_the_other_replays_count(
    project: Project, recorded: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    injected, inject = 0, scenario_sweeps.inject_one

    async def failing(*arguments: Any, **more: Any) -> Any:
        nonlocal injected
        injected += 1
        if injected == 3:
            raise HarnessError("app was not ready within 30 s\nits last lines")
        return await inject(*arguments, **more)

    monkeypatch.setattr(scenario_sweeps, "inject_one", failing)
    called = replay(project, recorded, "--times", "5", "--json")
    assert called.code == 1
    assert "inconclusive: app was not ready within 30 s" in called.err
    assert "SYS-03.c is open, 4 of 5 as recorded" in called.err
    assert json.loads(called.out)["replays"] == injected == 5


def test_a_part_that_died_is_inconclusive(project: Project, booth: Booth, recorded: Path) -> None:
    from overbooked.errors import PartDied

    booth.on_make = lambda: setattr(booth.stack, "died", PartDied("postgres was ended by SIGKILL"))
    called = replay(project, recorded)
    assert called.code == 3
    assert "postgres was ended by SIGKILL" in called.err


def test_a_journey_that_is_gone_is_said(project: Project, recorded: Path) -> None:
    scenario = project.root / "scenarios" / "test_tolls.py"
    scenario.write_text(scenario.read_text().replace('@swept("toll", "SYS-03")', ""))
    called = replay(project, recorded)
    assert called.code == 3
    assert "no scenario registers the journey 'toll'; there are detour" in called.err


def test_a_point_that_is_gone_is_said(project: Project, recorded: Path) -> None:
    data = Bundle.model_validate_json(recorded.read_text())
    assert data.recording.faults is not None
    gone = data.recording.faults.point.model_copy(update={"nth": 9})
    faults = data.recording.faults.model_copy(update={"point": gone})
    recorded.write_text(bundle_of(data.recording.model_copy(update={"faults": faults})).dumped())
    called = replay(project, recorded)
    assert called.code == 3
    assert "toll has no occurrence 9 of this app->" in called.err


async def test_the_lane_shows_where_the_fault_was(booth: Booth) -> None:
    found = await sweep(booth.stack.as_stack(), booth.journey(None), rng=random.Random(7))
    plan, _ = found.found["money"]
    assert isinstance(plan, FaultPlan)
    recorded = record(found, "money")
    assert recorded is not None
    assert f"!{plan.kind.value}" in "\n".join(recorded.lanes)
