"""`overbooked prove`: the kill matrix, exit codes, and resuming after an interruption."""

from __future__ import annotations

import json
import shlex
import subprocess

from overbooked.cli.options import resolve_settings
from overbooked.cli.proof_plan import ProofRequest, begin_proof

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
    assert {"SYS-03.4", "SYS-03.5"} <= set(matrix["unproven"])
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
    assert "2 trials ran before" in called.err
    assert len(json.loads(called.out)["observations"]) == 9
    assert project.runs() == [run]


def test_the_command_that_resumes_a_proof_names_its_settings_file(project: Project) -> None:
    (project.root / "my own.toml").write_text("seed = 11\n")
    said = resolve_settings(project.root / "my own.toml")
    proof = begin_proof(said, ProofRequest(gaps=("SYS-03",)))
    assert shlex.split(proof.resume) == [
        *("overbooked", "prove", "--resume", proof.plan.run, "--config", "my own.toml")
    ]
    proof.plan.write(proof.folder.path / "plan.json")  # as at the start of a session
    called = project.call(*shlex.split(proof.resume)[1:])
    assert "resumed: 0 trials ran before" in called.err
    assert "seed 11" in called.err


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


def committed(project: Project) -> None:
    for arguments in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "x"]):
        identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
        subprocess.run(["git", "-C", str(project.root), *identity, *arguments], check=True)


def test_since_a_revision_only_what_changed_is_proven(project: Project) -> None:
    (project.root / ".gitignore").write_text("reports/\n__pycache__/\n.coverage*\n")
    committed(project)
    called = project.call("prove", "--since", "HEAD", "--json")
    assert called.code == 0, called.err
    assert "0 files changed; nothing to prove" in called.err
    assert json.loads(called.out)["cells"] == []
    project.scenario("more", '@gap("SYS-03.c")\ndef test_it(stack, judge):\n    judge.count("rounds")\n')
    called = project.call("prove", "--since", "HEAD", "--json")
    matrix = json.loads(called.out)
    assert {cell["clause"] for cell in matrix["cells"] if cell["verdicts"]} == {"SYS-03.c"}, called.err
    assert {cell["mutant"] for cell in matrix["cells"]} == {"healthy", "SYS-03.1", "SYS-03.2"}
    assert "SYS-03.5" in matrix["about"]["not proven"]
    assert "not proven: SYS-03.5" in called.err
    (project.root / "toy.toml").write_text((project.root / "toy.toml").read_text() + "# changed\n")
    called = project.call("prove", "--since", "HEAD", "--json")
    assert "everything may be affected: toy.toml" in called.err
    assert "SYS-03.5" in {cell["mutant"] for cell in json.loads(called.out)["cells"]}


def test_a_budget_says_what_was_not_proven(project: Project) -> None:
    (project.root / ".gitignore").write_text("reports/\n__pycache__/\n.coverage*\n")
    committed(project)
    drawn = [project.call("prove", "SYS-03", "--narrow", "--budget", "50s", "--json") for _ in range(2)]
    one, other = (json.loads(called.out) for called in drawn)
    assert one["killed"] == other["killed"] != []
    assert one["about"]["not proven"] == other["about"]["not proven"]
    assert f"not proven in this run: {one['about']['not proven']}" in drawn[0].err


def test_wrong_durations_shards_and_revisions_are_refused_in_one_line(project: Project) -> None:
    for arguments in (
        ("--budget", "soon"),
        ("--budget", "0m"),
        ("--budget", "10 minutes"),
        ("--shard", "3/2"),
        ("--shard", "x"),
        ("--since", "HEAD"),  # not a repository
    ):
        called = project.call("prove", *arguments)
        assert called.code == 2, arguments
        assert "Traceback" not in called.err
    committed(project)
    called = project.call("prove", "--since", "nonsense")
    assert called.code == 2
    assert called.err.strip().count("\n") == 0


def test_shards_of_a_proof_are_disjoint_and_complete(project: Project) -> None:
    met: list[tuple[str, str]] = []
    for index in (1, 2):
        called = project.call("prove", "SYS-03", "--narrow", "--shard", f"{index}/2", "--json")
        assert called.code == 0, called.err
        cells = json.loads(called.out)["cells"]
        met += [(cell["mutant"], cell["clause"]) for cell in cells if cell["verdicts"]]
    whole = json.loads(project.call("prove", "SYS-03", "--narrow", "--json").out)["cells"]
    assert sorted(met) == sorted((cell["mutant"], cell["clause"]) for cell in whole if cell["verdicts"])


def test_a_shard_without_a_seed_is_refused(project: Project) -> None:
    settings = project.root / "overbooked.toml"
    settings.write_text(settings.read_text().replace("seed = 7", ""))
    called = project.call("prove", "--shard", "1/2")
    assert called.code == 2
    assert "--seed" in called.err


def test_shards_of_a_proof_are_merged_by_report(project: Project) -> None:
    for index in (1, 2):
        project.call(
            "prove", "SYS-03", "--mutant", "SYS-03.1", "--mutant", "SYS-03.5", "--shard", f"{index}/2"
        )
    names = [run.name for run in project.runs()]
    called = project.call("report", *names, "--into", "proof")
    assert called.code == 0, called.err
    assert "2 of 2 mutants killed, no false alarm" in called.err
    assert json.loads((project.root / "proof/matrix.json").read_text())["proven"] is True
    assert "2 of 2 mutants killed" in (project.root / "proof/matrix.md").read_text()
    refused = project.call("report", "--into", "proof")
    assert refused.code == 2
