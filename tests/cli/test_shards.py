"""`overbooked run --shard`, and merging the scorecards of shards."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from .conftest import Called, Project

# One more scenario of SYS-03.c, in three variants, and one that judges SYS-03.d with SYS-02.a.
MORE = """
import pytest

@gap("SYS-03.c")
@pytest.mark.parametrize("n", [1, 2, 3])
async def test_again(stack, judge, n):
    judge.count("rounds")
    if {broken!r} == n:
        raise GapFound("sold twice")

@gap("SYS-03.d")
async def test_once_more(stack, judge):
    judge.count("rounds")
"""
SHARDS = 3


@pytest.fixture(autouse=True)
def no_canary(project: Project) -> None:
    settings = project.root / "overbooked.toml"
    settings.write_text('canary = ""\npolicy = "policy.toml"\n' + settings.read_text())
    (project.root / "policy.toml").write_text("canary = false\n")


def card(folder: Path) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((folder / "scorecard.json").read_text())
    return read


def clauses(scorecard: dict[str, Any]) -> dict[str, Any]:
    return {one["id"]: one for gap in scorecard["gaps"] for one in gap["clauses"]}


def run_shards(project: Project, which: list[int]) -> list[tuple[Path, Called]]:
    ran = []
    for index in which:
        before = set(project.runs()) if project.reports.exists() else set()
        called = project.call("run", "SYS-03", "--shard", f"{index}/{SHARDS}")
        (folder,) = set(project.runs()) - before
        ran.append((folder, called))
    return ran


def merged(project: Project, folders: list[Path]) -> tuple[dict[str, Any], Called]:
    before = set(project.runs())
    called = project.call("report", *(folder.name for folder in folders))
    assert called.code == 0, called.err
    (folder,) = set(project.runs()) - before
    return card(folder), called


def test_shards_are_disjoint_and_complete_and_their_merge_is_the_whole_run(project: Project) -> None:
    project.scenario("more", MORE.format(broken=None))
    ran = run_shards(project, [1, 2, 3])
    cards = [card(folder) for folder, _ in ran]
    scenarios = [one["id"] for each in cards for one in each["scenarios"]]
    project.call("run", "SYS-03")
    whole = card(project.reports / "latest")
    assert sorted(scenarios) == sorted(one["id"] for one in whole["scenarios"])
    assert len(set(scenarios)) == len(scenarios)
    union, _ = merged(project, [folder for folder, _ in ran])
    assert {name: one["verdict"] for name, one in clauses(union).items()} == {
        name: one["verdict"] for name, one in clauses(whole).items()
    }
    assert union["shard"]["missing"] == []
    assert union["complete"]


def test_a_shard_alone_closes_no_clause_of_which_it_has_a_part(project: Project) -> None:
    project.scenario("more", MORE.format(broken=None))
    for folder, called in run_shards(project, [1, 2, 3]):
        scorecard = card(folder)
        present = {one["id"] for one in scorecard["scenarios"]}
        for name, names in scorecard["shard"]["scenarios"].items():
            if not present.issuperset(names):
                assert clauses(scorecard)[name]["verdict"] == "inconclusive"
                assert clauses(scorecard)[name]["reason"].startswith("in part: shard")
        assert called.code == 4, called.err
    assert not (project.reports / "latest").exists()


def test_without_one_shard_the_merge_closes_nothing_that_it_held(project: Project) -> None:
    project.scenario("more", MORE.format(broken=None))
    ran = run_shards(project, [1, 2, 3])
    for left_out, _ in ran:
        union, _ = merged(project, [folder for folder, _ in ran if folder != left_out])
        gone = {one["id"] for one in card(left_out)["scenarios"]}
        for name, names in union["shard"]["scenarios"].items():
            if gone.intersection(names):
                assert clauses(union)[name]["verdict"] == "inconclusive"
    # Two merged shards merged with the third give the whole.
    first, second, third = (folder for folder, _ in ran)
    before = set(project.runs())
    project.call("report", first.name, second.name)
    (both,) = set(project.runs()) - before
    union, _ = merged(project, [both, third])
    assert {name: one["verdict"] for name, one in clauses(union).items() if one["evidence"]} == dict.fromkeys(
        ("SYS-03.c", "SYS-03.d", "SYS-03.e"), "closed"
    )


def test_what_one_shard_finds_open_is_open_in_it_and_in_the_whole(project: Project) -> None:
    project.scenario("more", MORE.format(broken=2))
    ran = run_shards(project, [1, 2, 3])
    assert sorted(called.code for _, called in ran) == [1, 4, 4]
    union, _ = merged(project, [folder for folder, _ in ran])
    assert clauses(union)["SYS-03.c"]["verdict"] == "open"


def test_a_scenario_that_is_left_out_in_every_shard_is_missed_after_the_merge(project: Project) -> None:
    project.scenario("more", MORE.format(broken=None))
    conftest = project.root / "scenarios" / "conftest.py"
    conftest.write_text(
        conftest.read_text()
        + "\ndef pytest_collection_modifyitems(items):\n"
        + "    items[:] = [item for item in items if 'test_again[2]' not in item.nodeid]\n"
    )
    ran = run_shards(project, [1, 2, 3])
    union, _ = merged(project, [folder for folder, _ in ran])
    assert clauses(union)["SYS-03.c"]["verdict"] == "inconclusive"
    assert "was not run" in clauses(union)["SYS-03.c"]["reason"]


def test_a_scenario_that_a_shard_lost_is_missed_after_the_merge(project: Project) -> None:
    project.scenario("more", MORE.format(broken=None))
    folders = [folder for folder, _ in run_shards(project, [1, 2, 3])]
    for folder in folders:
        scorecard = card(folder)
        for gap in scorecard["gaps"]:
            for clause in gap["clauses"]:
                clause["evidence"] = [
                    one for one in clause["evidence"] if not one["scenario"].endswith("test_again[3]")
                ]
        (folder / "scorecard.json").write_text(json.dumps(scorecard))
    union, _ = merged(project, folders)
    assert clauses(union)["SYS-03.c"]["verdict"] == "inconclusive"
    assert "test_again[3]" in clauses(union)["SYS-03.c"]["reason"]


def test_a_shard_without_a_seed_is_refused(project: Project) -> None:
    settings = project.root / "overbooked.toml"
    settings.write_text(settings.read_text().replace("seed = 7", ""))
    called = project.call("run", "--shard", "1/2")
    assert called.code == 2
    assert called.err.strip().count("\n") == 0


def test_every_trial_is_in_the_journal_when_it_ends(project: Project) -> None:
    project.call("run", "SYS-03")
    lines = (project.reports / "latest" / "trials.jsonl").read_text().splitlines()
    assert len(lines) == 2
    assert {json.loads(line)["scenario"].rpartition("::")[2] for line in lines} == {
        "test_the_last_place",
        "test_a_mix",
    }
