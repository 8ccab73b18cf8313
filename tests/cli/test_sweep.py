"""`sweep`: what it shows, what it stores, and how it ends."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from harness.cli import sweep
from harness.errors import HarnessError, PartDied, SystemDied
from harness.journeys import swept
from harness.stacks import choice
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


def test_a_violation_is_told_with_its_plan(
    project: Project, stack: Standing, monkeypatch: pytest.MonkeyPatch
) -> None:
    journey(monkeypatch, stack, recovers=False)

    async def pays_once(self: TollTrial, replica: int, mark: Any) -> None:
        with suppress(Lost):
            await self._pay(replica, mark)

    monkeypatch.setattr(TollTrial, "play", pays_once)
    called = project.call("sweep", "checkout", "--kinds", "answer-lost")
    assert called.code == 1
    assert "VIOLATED  whoever is charged is booked" in called.err
    assert "charged and not booked" in called.err


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
