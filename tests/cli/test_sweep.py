"""`sweep`: what it shows, what it stores, and how it ends."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import signal
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from overbooked.bundles import fingerprints as fitting
from overbooked.bundles.files import BundleNotWritten
from overbooked.cli import replay_fault_plan as replaying_faults
from overbooked.cli.commands import sweep
from overbooked.errors import HarnessError, PartDied, SystemDied
from overbooked.fault_points import sweeper as sweeping
from overbooked.journeys import registry as swept
from overbooked.plugin import bundle_writer as bundling
from overbooked.stacks import kinds as choice
from tests.explore.toll import Lost, TollJourney, TollStack, TollTrial

from .conftest import Project

POINTS, KINDS = 4, 7


class Standing(TollStack):
    """A toll stack that says when it comes and goes."""

    diary: Path

    died: HarnessError | SystemDied | None = None

    async def start(self) -> None:
        self.diary.write_text("start\n")

    async def check(self) -> None:
        if self.died is not None:
            raise self.died

    async def close(self) -> None:
        with self.diary.open("a") as diary:
            diary.write("close\n")


class _System:
    async def close(self) -> None: ...


@pytest.fixture
def stack(project: Project, monkeypatch: pytest.MonkeyPatch) -> Standing:
    stack = Standing()
    stack.diary = project.root.parent / "diary"
    monkeypatch.setattr(choice, "make", lambda *_args, **_named: stack)

    async def bound(*_: object, **__: object) -> _System:
        return _System()

    monkeypatch.setattr(sweep, "bind", bound)
    return stack


def journey(monkeypatch: pytest.MonkeyPatch, stack: TollStack, *, recovers: bool) -> None:
    monkeypatch.setitem(swept.JOURNEYS, "checkout", lambda _system: TollJourney(stack, recovers=recovers))  # type: ignore[arg-type]


def test_a_journey_that_survives_everything_satisfies(
    project: Project, stack: Standing, monkeypatch: pytest.MonkeyPatch
) -> None:
    journey(monkeypatch, stack, recovers=True)
    called = project.call("sweep", "checkout", "--json")
    assert called.code == 0
    document = json.loads(called.out)
    assert document["sweeps"][0]["counts"]["bitten"] == POINTS * KINDS
    assert document["sweeps"][0]["exhausted"] is True
    assert stack.diary.read_text().splitlines() == ["start", "close"]


@pytest.mark.parametrize(
    ("died", "code"),
    [
        (PartDied("postgres was ended by SIGKILL on its own", part="postgres"), 3),
        (SystemDied("app was ended by SIGSEGV while no fault of ours was aimed at it"), 1),
    ],
)
@pytest.mark.parametrize("breaks", [True, False])
def test_a_sweep_whose_stack_lost_a_part_says_which_and_shows_no_matrix(
    project: Project,
    stack: Standing,
    monkeypatch: pytest.MonkeyPatch,
    died: HarnessError | SystemDied,
    code: int,
    breaks: bool,
) -> None:
    def made(_system: object) -> TollJourney:
        stack.died = died
        if breaks:
            raise HarnessError("app answered GET /_control/clock with 503")
        return TollJourney(stack, recovers=True)

    monkeypatch.setitem(swept.JOURNEYS, "checkout", made)  # type: ignore[arg-type]
    called = project.call("sweep", "checkout", "--kinds", "error")
    assert called.code == code
    assert str(died).splitlines()[0] in called.err
    assert "injected" not in called.err
    assert stack.diary.read_text().splitlines() == ["start", "close"]


def test_the_matrix_is_shown_and_stored(
    project: Project, stack: Standing, monkeypatch: pytest.MonkeyPatch
) -> None:
    journey(monkeypatch, stack, recovers=True)
    called = project.call("sweep", "checkout", "--kinds", "error,answer lost", "--twice", "2")
    assert called.code == 0
    assert "4 points, 8 faults injected (every one), 8 bit, 0 violated" in called.err
    (folder,) = project.runs()
    stored = json.loads((folder / "sweep-checkout.json").read_text())
    assert [point["verb"] for point in stored["points"]] == ["POST", "BEGIN", "INSERT", "COMMIT"]
    page = (folder / "sweep-checkout.md").read_text()
    assert "| 4 | book | app->postgres | `COMMIT` | ok | ok |" in page
    assert "**money** (whoever is charged is booked): held" in page


def test_a_sample_says_what_was_not_run(
    project: Project, stack: Standing, monkeypatch: pytest.MonkeyPatch
) -> None:
    journey(monkeypatch, stack, recovers=True)
    called = project.call("sweep", "checkout", "--kinds", "error", "--sample", "1")
    assert called.code == 0
    assert "not run, error: beyond the budget (3 points)" in called.err


def test_one_fault_can_be_looked_at_again(
    project: Project, stack: Standing, monkeypatch: pytest.MonkeyPatch
) -> None:
    journey(monkeypatch, stack, recovers=True)
    called = project.call("sweep", "checkout", "--only", "3:reset-before", "--json")
    assert called.code == 0
    (cell,) = json.loads(called.out)["sweeps"][0]["cells"]
    assert (cell["point"], cell["kind"], cell["outcome"]) == (3, "reset before", "safe")


def test_a_point_that_is_not_there_is_bad_usage(
    project: Project, stack: Standing, monkeypatch: pytest.MonkeyPatch
) -> None:
    journey(monkeypatch, stack, recovers=True)
    called = project.call("sweep", "checkout", "--only", "9:error")
    assert called.code == 2
    assert "has 4 points" in called.err


def leaves_it_at_that(monkeypatch: pytest.MonkeyPatch, stack: TollStack) -> None:
    """A client that never tries again, and no recovery: a lost answer leaves a charge without a booking."""
    monkeypatch.setitem(swept.JOURNEYS, "toll", lambda _system: TollJourney(stack, recovers=False))  # type: ignore[arg-type]

    async def pays_once(self: TollTrial, replica: int, mark: Any) -> None:
        with suppress(Lost):
            await self._pay(replica, mark)

    monkeypatch.setattr(TollTrial, "play", pays_once)


def test_what_is_violated_leaves_a_bundle_that_replays(
    project: Project, stack: Standing, monkeypatch: pytest.MonkeyPatch
) -> None:
    leaves_it_at_that(monkeypatch, stack)
    monkeypatch.setattr(replaying_faults, "bind", sweep.bind)
    called = project.call("sweep", "toll", "--kinds", "answer-lost", "--json")
    command = json.loads(called.out)["sweeps"][0]["findings"]["money"]["replay"]
    assert command in called.err
    (folder,) = project.runs()
    stored = json.loads((folder / "sweep-toll.json").read_text())
    assert stored["findings"]["money"]["replay"] == command
    program, *arguments = shlex.split(command)
    assert program == "overbooked"
    replayed = project.call(*arguments, "--times", "2")
    assert replayed.code == 1
    assert "toll, money is open, 2 of 2 as recorded: charged and not booked" in replayed.err


def test_a_bundle_of_a_sweep_says_what_no_longer_fits(
    project: Project, stack: Standing, monkeypatch: pytest.MonkeyPatch
) -> None:
    leaves_it_at_that(monkeypatch, stack)
    project.call("sweep", "toll", "--kinds", "answer-lost")
    (folder,) = project.runs()
    file = folder / "toll.money.json"
    file.write_text(file.read_text().replace('"migrations": ""', '"migrations": "0123456789abcdef"'))
    monkeypatch.setattr(fitting, "migrations_fingerprint", lambda _descriptor: "another")
    called = project.call("replay", str(file))
    assert called.code == 3
    assert "the migrations have changed" in called.err
    assert "`overbooked sweep toll` looks at what is there now" in called.err


def test_a_bundle_that_cannot_be_written_costs_no_finding(
    project: Project, stack: Standing, monkeypatch: pytest.MonkeyPatch
) -> None:
    leaves_it_at_that(monkeypatch, stack)

    def full(*_: object, **__: object) -> None:
        raise BundleNotWritten("cannot write a bundle to reports: no space")

    monkeypatch.setattr(bundling, "write_bundle", full)
    called = project.call("sweep", "toll", "--kinds", "answer-lost", "--json")
    assert called.code == 1
    found = json.loads(called.out)["sweeps"][0]["findings"]["money"]
    assert found["no bundle"] == "cannot write a bundle to reports: no space"
    assert "no bundle: cannot write a bundle to reports: no space" in called.err


def test_a_violation_is_told_with_its_plan(
    project: Project, stack: Standing, monkeypatch: pytest.MonkeyPatch
) -> None:
    leaves_it_at_that(monkeypatch, stack)
    called = project.call("sweep", "toll", "--kinds", "answer-lost")
    assert called.code == 1
    assert "VIOLATED  whoever is charged is booked" in called.err
    assert "charged and not booked" in called.err


def test_what_was_found_until_it_was_interrupted_is_kept(
    project: Project, stack: Standing, monkeypatch: pytest.MonkeyPatch
) -> None:
    leaves_it_at_that(monkeypatch, stack)
    monkeypatch.setattr(sweeping, "BATCH", 5)
    pays = TollTrial.play
    paid = 0

    async def loses_patience(self: TollTrial, replica: int, mark: Any) -> None:
        nonlocal paid
        paid += 1
        if paid == 13:
            os.kill(os.getpid(), signal.SIGINT)
            await asyncio.sleep(60)
        await pays(self, replica, mark)

    monkeypatch.setattr(TollTrial, "play", loses_patience)
    called = project.call("sweep", "toll", "--kinds", "answer-lost,reset-before,stall")
    assert called.code == 130
    assert "broken off" in called.err
    assert "VIOLATED  whoever is charged is booked" in called.err
    (folder,) = project.runs()
    stored = json.loads((folder / "sweep-toll.json").read_text())
    assert stored["broken_off"] is True
    assert stored["exhausted"] is False
    assert 0 < stored["counts"]["bitten"] < POINTS * 3
    assert stored["counts"]["possible"] == POINTS * 3
    assert (folder / "toll.money.json").exists()
    assert stack.diary.read_text().splitlines() == ["start", "close"]


def test_a_gap_means_its_journeys(project: Project, stack: Standing, monkeypatch: pytest.MonkeyPatch) -> None:
    journey(monkeypatch, stack, recovers=True)
    monkeypatch.setitem(swept.JOURNEYS, "webhook", lambda _system: TollJourney(stack))  # type: ignore[arg-type]
    called = project.call("sweep", "SYS-01", "--kinds", "error", "--json")
    assert called.code == 0
    assert len(json.loads(called.out)["sweeps"]) == 2


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nonsense"], "checkout, webhook, reconciliation"),
        (["checkout", "--kinds", "hiccup"], "no fault kind hiccup"),
        (["checkout", "--kinds", ","], "no fault kind was named"),
        (["checkout", "--only", "kill"], "POINT:KIND"),
        (["checkout", "--mutant", "SYS-03.9"], "SYS-03.9"),
    ],
)
def test_what_cannot_be_swept_is_bad_usage(
    project: Project, stack: Standing, arguments: list[str], says: str
) -> None:
    called = project.call("sweep", *arguments)
    assert called.code == 2
    assert says in called.err
    assert not stack.diary.exists()
