"""`overbooked prove`: the kill matrix, its exit codes, and going on after an interruption."""

from __future__ import annotations

import json

from .conftest import SCENARIOS, Project


def test_every_mutant_killed_and_no_false_alarm_is_a_proof(project: Project) -> None:
    called = project.call(
        "prove", "SYS-03", "--mutant", "SYS-03.1", "--mutant", "SYS-03.5", "--repeat", "2", "--json"
    )
    assert called.code == 0, called.err
    matrix = json.loads(called.out)
    assert matrix["killed"] == ["SYS-03.1", "SYS-03.5"]
    assert matrix["wrong_verdicts"] == 0
    assert len(matrix["observations"]) == 2 * 3 * 3
    (run,) = project.runs()
    assert {path.name for path in run.iterdir()} >= {"matrix.json", "matrix.md", "trials.jsonl"}
    assert "killed" in called.err


def test_a_mutant_that_survives_is_a_wrong_verdict(project: Project) -> None:
    blind = SCENARIOS.replace('"SYS-03.1", "SYS-03.2", "SYS-03.5"', '"SYS-03.1", "SYS-03.2"')
    (project.root / "scenarios" / "test_races.py").write_text(blind)
    called = project.call("prove", "--mutant", "SYS-03.5")
    assert called.code == 1
    assert "SURVIVED" in called.err


def test_a_clause_open_on_the_healthy_system_is_a_false_alarm(project: Project) -> None:
    project.scenario("alarm", '@gap("SYS-03.c")\ndef test_it():\n    raise GapFound("never mind what")\n')
    called = project.call("prove", "--mutant", "SYS-03.1")
    assert called.code == 1
    assert "FALSE ALARM" in called.err


def test_what_is_inconclusive_proves_nothing(project: Project) -> None:
    project.scenario("vague", '@gap("SYS-03.c")\ndef test_it():\n    pass\n')
    called = project.call("prove", "--mutant", "SYS-03.1")
    assert called.code == 3


def test_mutants_that_break_nothing_asked_are_listed_as_such(project: Project) -> None:
    called = project.call("prove", "SYS-03.c", "--json")
    assert called.code == 3  # the toy lacks SYS-03.3
    matrix = json.loads(called.out)
    assert matrix["unproven"] == ["SYS-03.4", "SYS-03.5"]
    assert "does not ask for" in called.err
    assert "the target does not have it" in called.err


def test_a_mutant_that_the_catalog_does_not_know_is_not_asked_for(project: Project) -> None:
    descriptor = project.root / "toy.toml"
    said = descriptor.read_text()
    descriptor.write_text(said.replace("SYS-03.5", "OWN-01.1"))
    called = project.call("prove", "--narrow", "--json")
    assert called.code in {0, 3}, called.err
    assert "OWN-01" not in called.out + called.err


def test_a_proof_goes_on_where_it_was_left(project: Project) -> None:
    project.call("prove", "--mutant", "SYS-03.1", "--mutant", "SYS-03.2")
    (run,) = project.runs()
    journal = run / "trials.jsonl"
    lines = journal.read_text().splitlines()
    journal.write_text("\n".join(lines[:2]) + '\n{"torn')
    called = project.call("prove", "--resume", run.name, "--json")
    assert called.code == 0, called.err
    assert "2 trials were held before" in called.err
    assert len(json.loads(called.out)["observations"]) == 9
    assert project.runs() == [run]


def test_only_a_proof_can_be_resumed(project: Project) -> None:
    assert project.call("prove", "--resume", "nope").code == 2
    assert project.call("prove", "SYS-03", "--resume", "nope").code == 2


def test_a_narrow_proof_holds_only_what_the_mutant_breaks(project: Project) -> None:
    called = project.call("prove", "SYS-03", "--mutant", "SYS-03.5", "--narrow", "--json")
    assert called.code == 0, called.err
    met = {each["clause"] for each in json.loads(called.out)["observations"] if each["mutant"]}
    assert met == {"SYS-03.d", "SYS-03.e"}


def test_a_wide_proof_tells_what_else_a_mutant_opens(project: Project) -> None:
    project.scenario(
        "neighbour",
        '@gap("SYS-02.a")\ndef test_it(judge, stack):\n    judge.count("steps")\n'
        '    if stack.mutant:\n        raise GapFound("opened too")\n',
    )
    called = project.call("prove", "SYS-02.a", "SYS-03", "--mutant", "SYS-03.5", "--across", "--json")
    also = [(cell["mutant"], cell["clause"]) for cell in json.loads(called.out)["also_opened"]]
    assert also == [("SYS-03.5", "SYS-02.a")]
