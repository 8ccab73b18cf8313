"""`sweep`: output, stored bundles, and exit codes."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import signal
from contextlib import suppress
from typing import Any

import pytest

from overbooked.bundles import fingerprints as fitting
from overbooked.bundles.files import BundleNotWritten
from overbooked.errors import HarnessError, PartDied, SystemDied
from overbooked.fault_points import sweeper as sweeping
from overbooked.plugin import bundle_writer as bundling
from overbooked.wire.gate.boundary import FaultKind
from tests.interleavings.fake_gate import Lost, Refused, TollTrial

from .conftest import Project
from .tolls import Booth, prepare

POINTS, KINDS = 4, len(FaultKind)


@pytest.fixture
def booth(project: Project, monkeypatch: pytest.MonkeyPatch) -> Booth:
    return prepare(project, monkeypatch)


def test_a_journey_that_survives_everything_satisfies(
    project: Project, booth: Booth, monkeypatch: pytest.MonkeyPatch
) -> None:
    called = project.call("sweep", "toll", "--json")
    assert called.code == 0
    document = json.loads(called.out)
    assert document["sweeps"][0]["counts"]["bitten"] == POINTS * KINDS
    assert document["sweeps"][0]["exhausted"] is True
    assert booth.diary == ["start", "close"]


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
    booth: Booth,
    died: HarnessError | SystemDied,
    code: int,
    breaks: bool,
) -> None:
    def dies() -> None:
        booth.stack.died = died
        if breaks:
            raise HarnessError("app answered GET /_control/clock with 503")

    booth.on_make = dies
    called = project.call("sweep", "toll", "--kinds", "error")
    assert called.code == code
    assert str(died).splitlines()[0] in called.err
    assert "injected" not in called.err
    assert booth.diary == ["start", "close"]


def test_the_matrix_is_shown_and_stored(
    project: Project, booth: Booth, monkeypatch: pytest.MonkeyPatch
) -> None:
    called = project.call("sweep", "toll", "--kinds", "error,answer lost", "--twice", "2")
    assert called.code == 0
    assert "4 points, 8 faults injected (all), 8 took effect, 0 violated" in called.err
    (folder,) = project.runs()
    stored = json.loads((folder / "sweep-toll.json").read_text())
    assert [point["verb"] for point in stored["points"]] == ["POST", "BEGIN", "INSERT", "COMMIT"]
    page = (folder / "sweep-toll.md").read_text()
    assert "| 4 | book | app->postgres | `COMMIT` | ok | ok |" in page
    assert "**money** (whoever is charged is booked): held" in page


def test_a_sample_says_what_was_not_run(
    project: Project, booth: Booth, monkeypatch: pytest.MonkeyPatch
) -> None:
    called = project.call("sweep", "toll", "--kinds", "error", "--sample", "1")
    assert called.code == 0
    assert "not run, error: beyond the budget (3 points)" in called.err


def test_one_fault_can_be_looked_at_again(
    project: Project, booth: Booth, monkeypatch: pytest.MonkeyPatch
) -> None:
    called = project.call("sweep", "toll", "--only", "3:reset-before", "--json")
    assert called.code == 0
    (cell,) = json.loads(called.out)["sweeps"][0]["cells"]
    assert (cell["point"], cell["kind"], cell["outcome"]) == (3, "reset before", "safe")


@pytest.mark.parametrize("second", [False, True])
def test_the_command_of_a_fault_finds_it_where_the_points_have_other_numbers(
    project: Project, booth: Booth, monkeypatch: pytest.MonkeyPatch, second: bool
) -> None:
    booth.recovers = False

    async def pays(self: TollTrial, replica: int, mark: Any) -> None:
        with suppress(Lost, Refused):
            await self._pay(replica, mark)

    async def recovers(self: TollTrial, replica: int, _way: str) -> None:
        await self.play(replica, lambda _step: None)

    monkeypatch.setattr(TollTrial, "play", pays)
    monkeypatch.setattr(TollTrial, "recover", recovers)
    twice = ["--twice", "20"] if second else []
    called = project.call("sweep", "toll", "--kinds", "answer-lost,reset-before", *twice, "--json")
    (swept,) = json.loads(called.out)["sweeps"]
    cells = swept["second_order"]["cells"] if second else swept["cells"]
    violated = next(cell for cell in cells if cell["outcome"] == "violated")
    again = violated["again"]

    async def asks_first(self: TollTrial, replica: int, mark: Any) -> None:
        with suppress(Lost, Refused):
            await self._journey.stack.cross(replica, "app->postgres", "SELECT")
        await pays(self, replica, mark)

    monkeypatch.setattr(TollTrial, "play", asks_first)
    program, *arguments = shlex.split(again)
    assert program == "overbooked"
    called = project.call(*arguments, "--json")
    (once_more,) = json.loads(called.out)["sweeps"]
    cells = once_more["second_order"]["cells"] if second else once_more["cells"]
    (cell,) = [one for one in cells if one["outcome"] != "n/a"]
    assert cell["point"] != violated["point"]
    assert (cell["fingerprint"], cell["kind"]) == (violated["fingerprint"], violated["kind"])
    assert cell.get("then", {}).get("shape") == violated.get("then", {}).get("shape")
    assert called.code == 1


def test_a_point_that_is_not_there_is_bad_usage(
    project: Project, booth: Booth, monkeypatch: pytest.MonkeyPatch
) -> None:
    called = project.call("sweep", "toll", "--only", "9:error")
    assert called.code == 2
    assert "has 4 points" in called.err


def leaves_it_at_that(monkeypatch: pytest.MonkeyPatch, booth: Booth) -> None:
    """Disable retries and recovery, so that a lost answer leaves a charge without a booking."""
    booth.recovers = False

    async def pays_once(self: TollTrial, replica: int, mark: Any) -> None:
        with suppress(Lost):
            await self._pay(replica, mark)

    monkeypatch.setattr(TollTrial, "play", pays_once)


def test_what_is_violated_leaves_a_bundle_that_replays(
    project: Project, booth: Booth, monkeypatch: pytest.MonkeyPatch
) -> None:
    leaves_it_at_that(monkeypatch, booth)
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
    project: Project, booth: Booth, monkeypatch: pytest.MonkeyPatch
) -> None:
    leaves_it_at_that(monkeypatch, booth)
    project.call("sweep", "toll", "--kinds", "answer-lost")
    (folder,) = project.runs()
    file = folder / "toll.money.json"
    file.write_text(file.read_text().replace('"migrations": ""', '"migrations": "0123456789abcdef"'))
    monkeypatch.setattr(fitting, "migrations_fingerprint", lambda _descriptor: "another")
    called = project.call("replay", str(file))
    assert called.code == 3
    assert "the migrations have changed" in called.err
    assert "`overbooked sweep toll` searches the present system" in called.err


def test_a_bundle_that_cannot_be_written_costs_no_finding(
    project: Project, booth: Booth, monkeypatch: pytest.MonkeyPatch
) -> None:
    leaves_it_at_that(monkeypatch, booth)

    def full(*_: object, **__: object) -> None:
        raise BundleNotWritten("cannot write a bundle to reports: no space")

    monkeypatch.setattr(bundling, "write_bundle", full)
    called = project.call("sweep", "toll", "--kinds", "answer-lost", "--json")
    assert called.code == 1
    found = json.loads(called.out)["sweeps"][0]["findings"]["money"]
    assert found["no bundle"] == "cannot write a bundle to reports: no space"
    assert "no bundle: cannot write a bundle to reports: no space" in called.err


def test_a_violation_is_told_with_its_plan(
    project: Project, booth: Booth, monkeypatch: pytest.MonkeyPatch
) -> None:
    leaves_it_at_that(monkeypatch, booth)
    called = project.call("sweep", "toll", "--kinds", "answer-lost")
    assert called.code == 1
    assert "VIOLATED  whoever is charged is booked" in called.err
    assert "charged and not booked" in called.err


def test_what_was_found_until_it_was_interrupted_is_kept(
    project: Project, booth: Booth, monkeypatch: pytest.MonkeyPatch
) -> None:
    leaves_it_at_that(monkeypatch, booth)
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
    assert ", interrupted" in called.err
    assert "VIOLATED  whoever is charged is booked" in called.err
    (folder,) = project.runs()
    stored = json.loads((folder / "sweep-toll.json").read_text())
    assert stored["broken_off"] is True
    assert stored["exhausted"] is False
    assert 0 < stored["counts"]["bitten"] < POINTS * 3
    assert stored["counts"]["possible"] == POINTS * 3
    assert (folder / "toll.money.json").exists()
    assert booth.diary == ["start", "close"]


def test_a_gap_means_its_journeys(project: Project, booth: Booth) -> None:
    called = project.call("sweep", "SYS-03", "--kinds", "error", "--json")
    assert called.code == 0
    assert [one["journey"] for one in json.loads(called.out)["sweeps"]] == ["toll", "detour"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nonsense"], "journeys: toll, detour; gaps: SYS-03"),
        (["tol"], "no journey 'tol' to sweep; did you mean toll?"),
        (["toll", "--kinds", "hiccup"], "no fault kind hiccup"),
        (["toll", "--kinds", ","], "no fault kind was named"),
        (["toll", "--only", "kill"], "POINT:KIND"),
        (["toll", "--only", "1:hiccup"], "the kinds are error, reset-before"),
        (["toll", "--only", "1:error,2:error,3:error"], "POINT:KIND"),
        (["toll", "--mutant", "SYS-03.99"], "SYS-03.99"),
    ],
)
def test_what_cannot_be_swept_is_bad_usage(
    project: Project, booth: Booth, arguments: list[str], says: str
) -> None:
    called = project.call("sweep", *arguments)
    assert called.code == 2
    assert says in called.err
    assert not booth.diary
