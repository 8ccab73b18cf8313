"""When `overbooked run` writes its scorecard, and the scorecard's size."""

from __future__ import annotations

import json

import pytest

from overbooked.cli.commands import run
from overbooked.errors import HarnessError
from overbooked.reporting.run_folder import RunFolder
from overbooked.verdicts.scorecard import Scorecard

from .conftest import Project

MANY = """
import pytest
@gap("SYS-03.c")
@pytest.mark.parametrize("n", range({n}))
async def test_a_trial(stack, judge, n):
    judge.count("rounds")
    stack.log += [f"line {{n}} {{line}} " + "x" * 300 for line in range(60)]
    {act}
"""


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[Scorecard]:
    cards: list[Scorecard] = []
    write = RunFolder.write

    def counted(folder: RunFolder, card: Scorecard) -> object:
        cards.append(card)
        return write(folder, card)

    monkeypatch.setattr(RunFolder, "write", counted)
    return cards


@pytest.fixture(autouse=True)
def no_canary(project: Project) -> None:
    settings = project.root / "overbooked.toml"
    settings.write_text('canary = ""\n' + settings.read_text())


def test_a_scorecard_is_not_written_after_every_trial(project: Project, written: list[Scorecard]) -> None:
    project.scenario("many", MANY.format(n=40, act="pass"))
    project.call("run", "SYS-03.c")
    running_cards = [card for card in written if not card.complete]
    assert 1 <= len(running_cards) < 20
    assert len(running_cards[-1].scenarios) == 41, "the last of them holds everything"


def test_logs_are_kept_of_trials_that_need_explaining_only(project: Project) -> None:
    project.scenario("many", MANY.format(n=5, act="assert n != 3, 'broke'"))
    project.call("run", "SYS-03.c")
    card = json.loads((project.reports / "latest" / "scorecard.json").read_text())
    logs = {one["id"].rpartition("::")[2]: bool(one["logs"]) for one in card["scenarios"]}
    assert logs == {
        "test_the_last_place": False,
        **{f"test_a_trial[{n}]": n == 3 for n in range(5)},
    }


def test_a_run_that_breaks_keeps_what_it_knew(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    real = run.run_session

    def broken(*args: object, **more: object) -> object:
        real(*args, **more)  # type: ignore[arg-type]
        raise HarnessError("pytest broke")

    monkeypatch.setattr(run, "run_session", broken)
    project.scenario("many", MANY.format(n=3, act="pass"))
    assert project.call("run", "SYS-03.c").code == 3
    (folder,) = project.runs()
    card = json.loads((folder / "scorecard.json").read_text())
    assert not card["complete"]
    assert len(card["scenarios"]) == 4
