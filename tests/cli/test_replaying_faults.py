"""Replays of fault plans: the same fault at the same point, judged by the same aspect."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from overbooked.bundles.schema import Bundle, Recording
from overbooked.cli import replay_fault_plan as replaying_faults
from overbooked.errors import HarnessError
from overbooked.fault_points.points import FaultPlan
from overbooked.fault_points.sweep import sweep
from overbooked.interleavings.evidence import LANES, RECORDING, recorded_faults
from overbooked.journeys import registry as swept
from overbooked.stacks import kinds as choice
from tests.explore.test_bundle import bundle
from tests.explore.test_fault_points_sweeping import Impatient
from tests.explore.toll import TollJourney, TollStack

from .conftest import Called, Project


class Standing(TollStack):
    """A toll stack that counts its coming and going."""

    up = 0

    async def start(self) -> None:
        self.up += 1

    async def close(self) -> None:
        self.up -= 1


class _System:
    async def close(self) -> None: ...


class Booth:
    """Where the journey `toll` is run: whether it recovers can be changed between recording and replay."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.stack = Standing()
        self.recovers = False
        self.kind: type[TollJourney] = Impatient

    def journey(self, _system: object) -> TollJourney:
        return self.kind(self.stack, recovers=self.recovers)

    async def record(self) -> Path:
        """A bundle of the first fault that leaves a purchase charged and not booked."""
        found = await sweep(self.stack.as_stack(), self.journey(None), rng=random.Random(7))
        recording = Recording.model_validate(recorded_faults(found, "money")[RECORDING])
        file = self.project.root / "toll.json"
        file.write_text(self.of(recording).dumped())
        return file

    def of(self, recording: Recording) -> Bundle:
        scenario = "scenarios/test_races.py::test_the_last_place"
        whole = bundle(recording, scenario=scenario, clause="SYS-03.c")
        return whole.model_copy(
            update={
                "fits": whole.fits.model_copy(
                    update={"target": "toy", "scenario": "", "catalog": "", "migrations": ""}
                ),
                "expected": whole.expected.model_copy(update={"what": "charged and not booked"}),
            }
        )

    def replay(self, file: Path, *more: str) -> Called:
        return self.project.call("replay", str(file), *more)


@pytest.fixture
def booth(project: Project, monkeypatch: pytest.MonkeyPatch) -> Iterator[Booth]:
    booth = Booth(project)

    async def bound(*_: object, **__: object) -> _System:
        return _System()

    monkeypatch.setattr(choice, "make", lambda *_args, **_named: booth.stack)
    monkeypatch.setattr(replaying_faults, "bind", bound)
    monkeypatch.setitem(swept.JOURNEYS, "toll", booth.journey)
    yield booth
    assert booth.stack.up == 0


@pytest.fixture
async def recorded(booth: Booth) -> Path:
    return await booth.record()


def test_a_fault_plan_ends_as_it_did(booth: Booth, recorded: Path) -> None:
    called = booth.replay(recorded, "--times", "3")
    assert "SYS-03.c is open, 3 of 3 as recorded: charged and not booked" in called.err
    assert called.code == 1
    assert "toll  POST" in called.err


def test_what_recovers_now_is_not_found_any_more(booth: Booth, recorded: Path) -> None:
    booth.recovers = True
    called = booth.replay(recorded)
    assert called.code == 0
    assert "closed under this fault plan: not found any more: charged and not booked" in called.err


def test_a_fault_that_does_not_bite_is_inconclusive(booth: Booth, recorded: Path) -> None:
    booth.stack.refuses = "not here"
    called = booth.replay(recorded)
    assert called.code == 3
    assert "the fault did not bite: not here" in called.err


def test_a_failure_of_ours_ends_it_and_what_was_replayed_before_counts(
    booth: Booth, recorded: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    struck, strike = 0, replaying_faults.strike

    async def failing(*arguments: Any, **more: Any) -> Any:
        nonlocal struck
        struck += 1
        if struck == 3:
            raise HarnessError("app was not ready within 30 s\nits last lines")
        return await strike(*arguments, **more)

    monkeypatch.setattr(replaying_faults, "strike", failing)
    called = booth.replay(recorded, "--times", "5", "--json")
    assert called.code == 1
    assert "inconclusive: app was not ready within 30 s" in called.err
    assert "SYS-03.c is open, 2 of 3 as recorded" in called.err
    assert json.loads(called.out)["replays"] == struck == 3


def test_a_journey_that_is_gone_is_said(
    booth: Booth, recorded: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(swept.JOURNEYS, "toll")
    called = booth.replay(recorded)
    assert called.code == 3
    assert "there is no journey 'toll' any more" in called.err


def test_a_point_that_is_gone_is_said(booth: Booth, recorded: Path) -> None:
    data = Bundle.model_validate_json(recorded.read_text())
    assert data.recording.faults is not None
    point = data.recording.faults.point
    gone = point.model_copy(update={"nth": 9})
    faults = data.recording.faults.model_copy(update={"point": gone})
    recorded.write_text(booth.of(data.recording.model_copy(update={"faults": faults})).dumped())
    called = booth.replay(recorded)
    assert called.code == 3
    assert "for the 9. time any more that could be struck by" in called.err


async def test_the_lane_shows_where_it_was_struck(booth: Booth) -> None:
    found = await sweep(booth.stack.as_stack(), booth.journey(None), rng=random.Random(7))
    plan, _ = found.found["money"]
    assert isinstance(plan, FaultPlan)
    drawn = recorded_faults(found, "money")[LANES]
    assert f"!{plan.kind.value}" in "\n".join(drawn)
