"""A clause that is closed is shown as closed although others of its gap are not covered."""

from __future__ import annotations

import pytest

from tests.cli.conftest import Project
from tests.cli.racing import prepare

CANCELS = """
@gap("SYS-03.b")
async def test_cancelling(explorer, system):
    raise NotSupported("the toy cannot cancel")
"""


def test_a_race_shows_what_is_closed_and_why_the_rest_is_not_covered(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(project, monkeypatch)
    file = project.root / "scenarios" / "test_races.py"
    source = file.read_text().replace("import pytest\n", "import pytest\nfrom overbooked import *\n", 1)
    file.write_text(source + CANCELS)
    called = project.call("race", "SYS-03")
    said = " ".join(called.err.split())
    assert called.code == 4, called.err
    assert "a closed (2 actors exhausted at 2 preemptions (" in said
    assert "b not covered the toy cannot cancel" in said
    summary = " ".join((project.runs()[-1] / "summary.md").read_text().split())
    assert "| SYS-03.a | interleavings | closed (2 actors exhausted at 2 preemptions (" in summary
    assert "the toy cannot cancel (1): SYS-03.b" in summary


def test_a_race_of_which_a_scenario_was_filtered_away_is_not_closed(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(project, monkeypatch)
    file = project.root / "scenarios" / "test_races.py"
    file.write_text(file.read_text() + CANCELS.replace("SYS-03.b", "SYS-03.a").replace("raise", "pass #"))
    called = project.call("race", "SYS-03.a", "--scenario", "counting")
    assert called.code == 3, called.err
    assert "a scenario of this clause was not run: scenarios/test_races.py::test_cancelling" in " ".join(
        called.err.split()
    )
