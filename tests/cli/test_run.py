"""`overbooked run`: verdicts, exit codes, and output files."""

from __future__ import annotations

import json

import pytest

from overbooked.reporting import reports

from .conftest import Project


def test_closed_gaps_satisfy_the_policy_and_leave_every_report(project: Project) -> None:
    called = project.call("run", "SYS-03")
    assert called.code == 0, called.err
    latest = project.reports / "latest"
    card = json.loads((latest / "scorecard.json").read_text())
    assert card["complete"]
    assert card["seed"] == 7
    assert card["target"] == "toy"
    assert card["canary"]["ok"]
    assert [(gap["id"], gap["verdict"], gap["asked"]) for gap in card["gaps"]] == [("SYS-03", "closed", 3)]
    assert {path.name for path in latest.iterdir()} >= {"junit.xml", "summary.md", "allure-results"}
    assert "closed" in called.err
    assert "canary SYS-03.1 is open" in called.err


def test_a_report_that_cannot_be_written_is_one_line_and_changes_neither_verdict_nor_exit_code(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_scorecard: object) -> str:
        raise ValueError("no such character\nand more")

    monkeypatch.setattr(reports, "junit_xml", fails)
    called = project.call("run", "SYS-03")
    assert called.code == 0
    assert "the JUnit report failed: no such character" in called.err.splitlines()
    latest = project.reports / "latest"
    assert json.loads((latest / "scorecard.json").read_text())["complete"]
    assert {path.name for path in latest.iterdir()} >= {"summary.md", "allure-results"}
    assert not (latest / "junit.xml").exists()


def test_a_mutant_opens_its_gap_and_the_report_says_how(project: Project) -> None:
    called = project.call("run", "SYS-03", "--mutant", "SYS-03.5", "--json")
    assert called.code == 1
    card = json.loads(called.out)
    assert card["mutant"] == "SYS-03.5"
    clauses = {clause["id"]: clause["verdict"] for clause in card["gaps"][0]["clauses"]}
    assert clauses["SYS-03.d"] == clauses["SYS-03.e"] == "open"
    assert clauses["SYS-03.c"] == "closed"
    assert all(word in called.err for word in ("expected", "observed", "ana books"))


def test_a_canary_that_does_not_sing_makes_the_run_inconclusive(project: Project) -> None:
    settings = project.root / "overbooked.toml"
    settings.write_text('canary = "SYS-03.3"\n' + settings.read_text())  # the toy ignores this mutant
    called = project.call("run", "SYS-03.c")
    assert called.code == 3
    assert "proves nothing" in called.err


def test_a_gap_without_a_scenario_is_too_few(project: Project) -> None:
    called = project.call("run", "SYS-07")
    assert called.code == 4
    assert "no scenario judges it" in called.err


def test_an_unknown_gap_is_one_clear_line(project: Project) -> None:
    called = project.call("run", "SYS-3")
    assert called.code == 2
    assert called.err.count("\n") == 1
    assert "'SYS-3'" in called.err
    assert not project.reports.exists()


def test_a_mutant_the_target_does_not_have_is_refused_before_anything_starts(project: Project) -> None:
    called = project.call("run", "--mutant", "SYS-03.4")
    assert called.code == 2
    assert "SYS-03.1, SYS-03.2, SYS-03.5" in called.err
    assert not project.reports.exists()


def test_broken_settings_are_one_clear_line(project: Project) -> None:
    (project.root / "overbooked.toml").write_text("workers = many")
    called = project.call("run")
    assert called.code == 2
    assert "overbooked.toml" in called.err
    assert "Traceback" not in called.err


def test_settings_that_name_no_system_say_how_to_name_one(project: Project) -> None:
    (project.root / "overbooked.toml").write_text("")
    called = project.call("run")
    assert called.code == 2
    assert "[target] descriptor" in called.err


def test_a_scenario_that_cannot_be_imported_is_named(project: Project) -> None:
    project.scenario("broken", "import nothing_of_that_name\n")
    called = project.call("run", "SYS-03")
    assert called.code == 2
    assert "test_broken.py" in called.err
    assert "nothing_of_that_name" in called.err


def test_a_refusal_of_a_worker_ends_the_run_with_its_words(project: Project) -> None:
    project.scenario(
        "aim",
        'from overbooked.errors import HostNotAllowed\n\n@gap("SYS-04.c")\ndef test_it():\n'
        '    raise HostNotAllowed("a burst is aimed at example.com")\n',
    )
    called = project.call("run", "SYS-04")
    assert called.code == 2
    assert "aimed at example.com" in called.err
    assert not (project.reports / "latest").exists()


def test_a_worker_that_dies_makes_its_scenario_inconclusive(project: Project) -> None:
    project.scenario("crash", 'import os\n\n@gap("SYS-04.c")\ndef test_it():\n    os._exit(7)\n')
    called = project.call("run", "SYS-04", "--workers", "1", "--json")
    assert called.code == 3
    clauses = {clause["id"]: clause for clause in json.loads(called.out)["gaps"][0]["clauses"]}
    assert clauses["SYS-04.c"]["verdict"] == "inconclusive"
    assert "worker died" in clauses["SYS-04.c"]["reason"]


def test_a_deadline_bounds_the_run(project: Project) -> None:
    project.scenario(
        "slow",
        'import asyncio\n\n@gap("SYS-04.c")\nasync def test_it(judge):\n'
        '    judge.count("rounds")\n    await asyncio.sleep(60)\n',
    )
    called = project.call("run", "SYS-04", "--deadline", "4")
    assert called.code == 3
    assert "deadline" in called.err


def test_a_system_that_never_starts_ends_the_run_with_one_word(project: Project) -> None:
    conftest = project.root / "scenarios" / "conftest.py"
    conftest.write_text(
        conftest.read_text()
        + """
from overbooked.errors import StackError
from tests.plugin.toy_stack import ToyStack

class Dead(ToyStack):
    async def start(self):
        raise StackError("app did not become healthy", part="app", log=["Address already in use"])

@pytest.fixture(scope="session")
def stack_factory():
    return lambda variant: Dead(Path("diary"), variant.mutant)
"""
    )
    project.scenario("more", '@gap("SYS-03.c")\ndef test_it(stack):\n    raise KeyError("never reached")\n')
    called = project.call("run", "SYS-03")
    assert called.code == 3
    assert called.err.count("app did not become healthy") == 1
    assert "Address already in use" in called.err
    (run,) = project.runs()
    assert not json.loads((run / "scorecard.json").read_text())["complete"]


def test_scenarios_that_are_not_there_are_bad_usage(project: Project) -> None:
    settings = project.root / "overbooked.toml"
    settings.write_text(settings.read_text().replace('scenarios = ["scenarios"]', 'scenarios = ["nowhere"]'))
    called = project.call("run", "SYS-03")
    assert called.code == 2
    assert "no scenarios at" in called.err
