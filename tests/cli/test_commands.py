"""The commands that run no scenario."""

from __future__ import annotations

import json

import pytest

from overbooked.catalog import Catalog
from overbooked.cli.group import COMMANDS

from .conftest import Project


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_an_example(project: Project, name: str) -> None:
    called = project.call(name, "--help")
    assert called.code == 0
    assert f"overbooked {name}" in called.out.split("Options:")[0].split("\n", 2)[2]


def test_help_and_version_need_no_settings(project: Project) -> None:
    (project.root / "overbooked.toml").write_text("nonsense")
    assert "prove" in project.call("--help").out
    assert project.call("--version").code == 0


def test_an_unknown_command_is_bad_usage(project: Project) -> None:
    called = project.call("frobnicate")
    assert called.code == 2
    assert "frobnicate" in called.err


def test_the_list_has_every_gap_and_who_judges_it(project: Project) -> None:
    states = json.loads(project.call("list", "--json").out)
    assert len(states) == 157
    (races,) = [state for state in states if state["id"] == "SYS-03"]
    assert races["state"] == "not run"
    assert races["covered"] == 3
    scenarios = {clause["id"]: clause["scenarios"] for clause in races["clauses"]}
    assert scenarios["SYS-03.c"] == ["scenarios/test_races.py::test_the_last_place"]
    assert "SYS-03" in project.call("list", "--theme", "revenue").out


def test_show_says_all_of_one_gap(project: Project) -> None:
    called = project.call("show", "SYS-03.2")
    assert called.code == 0
    assert "row lock taken after the check" in called.out
    assert json.loads(project.call("show", "SYS-03", "--json").out)["id"] == "SYS-03"
    assert project.call("show", "SYS-99").code == 2


def test_a_run_can_be_reported_again_and_gated(project: Project) -> None:
    project.call("run", "SYS-03.c")
    (run,) = project.runs()
    (run / "summary.md").unlink()
    assert project.call("report", run.name).code == 0
    assert (run / "summary.md").exists()
    one = project.root / "one.toml"
    one.write_text('rules = [{ clauses = ["SYS-03.c"], stop = ["open", "inconclusive"] }]\n')
    gated = project.call("gate", "latest", "--json", "--policy", str(one))
    assert (gated.code, json.loads(gated.out)["satisfied"]) == (0, True)
    strict = project.root / "strict.toml"
    strict.write_text("minimum_judged = 5\n")
    assert project.call("gate", str(run), "--policy", str(strict)).code == 4
    assert project.call("gate", "nowhere").code == 2


def test_shards_are_reported_as_one_run(project: Project) -> None:
    for _ in range(2):
        project.call("run", "SYS-03.c", "--seed", "5")
    shards = []
    for n, run in enumerate(project.runs(), start=1):
        card = json.loads((run / "scorecard.json").read_text())
        card["shard"] = {"of": 2, "present": [n], "missing": [3 - n]}
        (run / "scorecard.json").write_text(json.dumps(card))
        shards.append(run.name)
    called = project.call("report", *shards)
    assert called.code == 0
    (whole,) = [run for run in project.runs() if run.name not in shards]
    merged = json.loads((whole / "scorecard.json").read_text())
    assert merged["run"] == "+".join(shards)
    assert merged["shard"] == {"of": 2, "present": [1, 2], "missing": [], "scenarios": {}}
    assert (whole / "summary.md").exists()
    one = project.root / "one.toml"
    one.write_text('rules = [{ clauses = ["SYS-03.c"], stop = ["open", "inconclusive"] }]\n')
    assert project.call("gate", whole.name, "--policy", str(one)).code == 0
    twice = project.call("report", shards[0], shards[0])
    assert (twice.code, "there twice" in twice.err) == (2, True)


def test_a_policy_that_says_nonsense_is_bad_usage(project: Project) -> None:
    project.call("run", "SYS-03.c")
    bad = project.root / "bad.toml"
    bad.write_text("minimum_judged = -1\n")
    assert project.call("gate", "latest", "--policy", str(bad)).code == 2


def test_a_mutants_run_is_not_the_state_of_the_system(project: Project) -> None:
    project.call("run", "SYS-03.c", "--mutant", "SYS-03.1")
    (state,) = json.loads(project.call("list", "SYS-03", "--json").out)
    assert state["state"] == "not run"


def test_the_doctor_says_what_there_is(project: Project) -> None:
    rows = json.loads(project.call("doctor", "--json").out)
    assert {"Python", "PostgreSQL", "Redis", "stack"} <= {row["name"] for row in rows}
    assert "Python" in project.call("doctor").out


def test_a_traceback_is_shown_to_who_asks(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OVERBOOKED_DEBUG", "1")
    called = project.call("show", "SYS-99")
    assert called.code == 2
    assert "Traceback" in called.err


OWN_GAP = """
source = "ours"
prefix = "OWN"

[[gap]]
id = "OWN-01"
title = "Ours"
priority = "P1"
theme = "ours"
closed_when = [{ id = "a", by = ["journey"], text = "It holds." }]
open_when = [{ id = 1, breaks = ["a"], text = "it does not" }]
"""


def test_scenarios_of_a_second_settings_file_are_listed_with_its_gaps(project: Project) -> None:
    (project.root / "own").mkdir()
    (project.root / "own" / "test_own.py").write_text(
        'from overbooked import *\n@gap("OWN-01.a")\ndef test_it():\n    pass\n'
    )
    (project.root / "own" / "gaps.toml").write_text(OWN_GAP)
    (project.root / "more.toml").write_text('catalogs = ["own/gaps.toml"]\nscenarios = ["own"]\n')

    called = project.call("list", "--theme", "ours", "--config", "more.toml")

    assert called.code == 0, called.err
    assert "1/1/1 clauses" in called.out


def test_the_list_can_be_narrowed_to_a_state_and_to_mutants(project: Project) -> None:
    without = project.call("list", "--state", "open")
    assert without.code == 2
    assert "no complete run" in without.err
    project.call("run", "SYS-03.c")
    closed = json.loads(project.call("list", "--state", "closed", "--json").out)
    assert [state["id"] for state in closed] == ["SYS-03"]
    assert json.loads(project.call("list", "--state", "open", "--json").out) == []
    assert project.call("list", "--state", "open").out.startswith("no such gap")
    assert json.loads(project.call("list", "--state", "closed", "--priority", "P3", "--json").out) == []
    mutants = json.loads(project.call("list", "--mutants", "--state", "closed", "--json").out)
    assert [row["id"] for row in mutants if row["available"]] == ["SYS-03.1", "SYS-03.2", "SYS-03.5"]
    assert {row["id"].partition(".")[0] for row in mutants} == {"SYS-03"}
    assert {row["origin"] for row in mutants} <= {"", "blind"}
    assert f"{len(mutants)} mutants, the target has 3" in project.call("list", "SYS-03", "--mutants").out


def test_a_run_of_a_mutant_gives_no_gap_a_state(project: Project) -> None:
    project.call("run", "SYS-03.c", "--mutant", "SYS-03.1")
    assert project.call("list", "--state", "open").code == 2


@pytest.mark.parametrize(
    ("arguments", "nearest"),
    [
        (("rnu",), "run"),
        (("prov",), "prove"),
        (("run", "--prorfile", "quick"), "--profile"),
        (("prove", "--sinse", "HEAD"), "--since"),
        (("run", "--stack", "embeded"), "embedded"),
        (("list", "--state", "closd"), "closed"),
        (("run", "SYS-3"), "SYS-03"),
        (("run", "SYS-03.z"), "SYS-03"),
        (("run", "--mutant", "SYS-03.99"), "SYS-03."),
        (("prove", "SYS-03.99"), "no mutant is called 'SYS-03.99'; nearest: SYS-03."),
        (("prove", "SYS-03.1"), "SYS-03 --mutant SYS-03.1"),
        (("list", "--theme", "revenu"), "revenue"),
        (("list", "--priority", "P9"), "P0"),
        (("run", "--profile", "quik"), "quick"),
    ],
)
def test_a_wrong_name_is_refused_with_the_nearest(
    project: Project, arguments: tuple[str, ...], nearest: str
) -> None:
    called = project.call(*arguments)
    assert called.code == 2
    assert nearest in called.err
    assert called.err.count("\n") == 1
    assert "Traceback" not in called.err


def test_the_brief_has_every_clause_and_every_mutant(project: Project) -> None:
    gap = Catalog.load().gap("SYS-03")
    called = project.call("blind", "SYS-03")
    assert called.code == 0
    words = " ".join(called.out.split())
    for text in [clause.text for clause in gap.clauses] + [mutant.text for mutant in gap.mutants]:
        assert text in words


def test_the_brief_names_no_scenario_and_no_verdict(project: Project) -> None:
    project.call("run", "SYS-03.c")
    called = project.call("blind", "SYS-03")
    assert "test_" not in called.out
    assert "scenarios/" not in called.out
    assert "CLOSED" not in called.out


def test_the_next_number_is_free_and_its_row_fits_the_catalog(project: Project) -> None:
    brief = json.loads(project.call("blind", "sys-03", "--json").out)
    taken = {mutant["id"] for mutant in brief["mutants"]}
    assert f"SYS-03.{brief['next']}" not in taken
    own = project.root / "own.toml"
    own.write_text(
        'source = "x"\nprefix = "OWN"\n[[gap]]\nid = "OWN-1"\ntitle = "t"\npriority = "P1"\ntheme = "own"\n'
        'closed_when = [{ id = "a", by = ["journey"], text = "t" }]\n'
        f"open_when = [{brief['row']}]\n"
    )
    (mutant,) = Catalog.load([own]).gap("OWN-1").mutants
    assert (mutant.number, mutant.origin) == (brief["next"], "blind")


def test_the_name_of_a_clause_or_a_mutant_names_its_gap(project: Project) -> None:
    assert json.loads(project.call("blind", "SYS-03.b", "--json").out)["id"] == "SYS-03"
    unknown = project.call("blind", "SYS-99")
    assert unknown.code == 2
    assert "nearest" in unknown.err
