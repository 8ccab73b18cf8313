"""`up` and `load` keep a stack running and always close it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from overbooked.cli.commands import load, up
from overbooked.errors import HarnessError
from overbooked.stacks import kinds as choice
from overbooked.verdicts.evidence import Finding
from overbooked.verdicts.scorecard import LoadScore
from overbooked.verdicts.verdict import Verdict
from tests.plugin.toy_stack import ToyStack

from .conftest import Project


@pytest.fixture
def diary(project: Project, monkeypatch: pytest.MonkeyPatch) -> Path:
    diary = project.root.parent / "diary"
    monkeypatch.setattr(
        choice,
        "make_stack",
        lambda _kind, _descriptor, _shape, *, mutant=None: ToyStack(diary, mutant, dies=False),
    )
    return diary


def test_up_shows_the_addresses_and_goes_away_on_ctrl_c(
    project: Project, diary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sleep = asyncio.sleep

    async def interrupted(_seconds: float) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        await sleep(60)

    monkeypatch.setattr(up.asyncio, "sleep", interrupted)
    called = project.call("up", "--json", "--mutant", "SYS-03.1")
    assert called.code == 0
    assert json.loads(called.out)["client->app"] == "http://127.0.0.1:2"
    assert diary.read_text().splitlines() == ["start SYS-03.1 x2", "close"]


def test_up_refuses_a_mutant_the_target_does_not_have(project: Project, diary: Path) -> None:
    assert project.call("up", "--mutant", "SYS-03.4").code == 2
    assert not diary.exists()


class _System:
    async def close(self) -> None: ...


@pytest.fixture
def driven(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The value that `drive` returns or raises."""
    outcome: dict[str, Any] = {}

    async def bound(*_: object, **__: object) -> _System:
        return _System()

    async def drive(*_: object, **__: object) -> LoadScore:
        if "error" in outcome:
            raise outcome["error"]
        score: LoadScore = outcome["score"]
        return score

    monkeypatch.setattr(load, "bind", bound)
    monkeypatch.setattr(load, "drive", drive)
    return outcome


def test_a_load_that_held_is_in_a_scorecard_of_its_own(
    project: Project, diary: Path, driven: dict[str, Any]
) -> None:
    driven["score"] = LoadScore("smoke", Verdict.CLOSED, summary="400 of 400 arrivals sent")
    called = project.call("load", "smoke", "--json")
    assert called.code == 0
    card = json.loads(called.out)
    assert (card["load"][0]["verdict"], card["gaps"], card["complete"]) == ("closed", [], True)
    assert not (project.reports / "latest").exists()
    assert diary.read_text().splitlines() == ["start None x2", "close"]


def test_a_load_that_missed_its_objective_blocks_and_says_how(
    project: Project, diary: Path, driven: dict[str, Any]
) -> None:
    finding = Finding("visits take too long", expected="95 % within 1500 ms", observed="p95 4000 ms")
    driven["score"] = LoadScore("smoke", Verdict.OPEN, reason="visits take too long", finding=finding)
    called = project.call("load", "--rate", "5", "--seconds", "2")
    assert called.code == 1
    assert "observed  p95 4000 ms" in called.err


def test_a_load_that_breaks_leaves_no_stack(project: Project, diary: Path, driven: dict[str, Any]) -> None:
    driven["error"] = HarnessError("the generator is gone")
    assert project.call("load").code == 3
    assert diary.read_text().splitlines()[-1] == "close"


def test_a_load_profile_that_is_not_there_is_bad_usage(project: Project) -> None:
    called = project.call("load", "black-friday")
    assert called.code == 2
    assert "smoke" in called.err
