"""`race`: exploration, output, a single order by hand and step by step, and exit codes."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import Called, Project
from .racing import diary, prepare

Type = Callable[[str], None]


@pytest.fixture
def racing(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    return prepare(project, monkeypatch)


@pytest.fixture
def keyboard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Type:
    """Provide typed text as the whole of standard input."""

    def types(text: str) -> None:
        file = tmp_path / "typed"
        file.write_text(text)
        monkeypatch.setattr(sys, "__stdin__", os.fdopen(os.open(file, os.O_RDONLY)))

    return types


def test_a_race_that_nothing_breaks_is_closed(racing: Project) -> None:
    called = racing.call("race", "SYS-03.a")
    assert called.code == 0
    assert "SYS-03.a closed: 36 schedules of 2 races" in called.err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--strategy", "random"), "2 actors sampled by random walk, seed "),
        (("--strategy", "pct", "--depth", "2"), "2 actors sampled by PCT of depth 2, seed "),
    ],
)
def test_a_strategy_samples(racing: Project, options: tuple[str, ...], said: str) -> None:
    called = racing.call("race", "SYS-03.a", *options, "--schedules", "9")
    printed = " ".join(called.err.split())
    assert called.code == 0, called.err
    assert said in printed
    assert "(18 schedules)" in printed
    assert "exhausted" not in printed


def test_a_finding_of_a_strategy_leaves_a_bundle(racing: Project) -> None:
    called = racing.call("race", "SYS-03.a", "--mutant", "SYS-03.1", "--strategy", "pct", "--seed", "3")
    assert called.code == 1, called.err
    assert "overbooked replay" in called.err


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (("--strategy", "pct", "--preemptions", "2"), "--preemptions bounds an exhaustive search"),
        (("--strategy", "random", "--shard", "1/2"), "--shard divides an exhaustive search"),
        (("--strategy", "random", "--depth", "2"), "--depth is PCT's"),
        (("--strategy", "replay"), "--strategy replay follows a schedule"),
        (("--strategy", "pct", "--schedule", "0,1"), "--schedule runs one schedule"),
        (("--schedules", "5", "--step"), "--schedules counts schedules of an exploration"),
        (("--race", "tow", "--schedule", "0"), "no race is called 'tow'; nearest: two"),
    ],
)
def test_options_that_contradict_a_strategy_are_refused(
    racing: Project, options: tuple[str, ...], why: str
) -> None:
    called = racing.call("race", "SYS-03.a", *options)
    assert called.code == 2
    assert why in called.err
    assert len(called.err.strip().splitlines()) == 1


def test_races_are_listed_without_a_stack(racing: Project) -> None:
    called = racing.call("race", "--list", "SYS-03.a", "--json")
    assert called.code == 0
    (first, second) = json.loads(called.out)
    assert [one["title"] for one in (first, second)] == ["first", "second"]
    assert (first["race"], first["clauses"], first["how"]) == ("two", ["SYS-03.a"], "explored")
    assert first["scenario"] == "scenarios/test_races.py::test_counting"
    assert "Actor('ana', 'count', counts)" in first["actors"]
    assert not racing.reports.exists()


def test_races_of_a_catalog_that_is_not_loaded_are_not_listed(racing: Project) -> None:
    file = racing.root / "scenarios" / "test_races.py"
    file.with_name("test_others.py").write_text(file.read_text().replace("SYS-03.a", "OWN-01.a"))
    called = racing.call("race", "--list", "--json")
    assert {clause for race in json.loads(called.out) for clause in race["clauses"]} == {"SYS-03.a"}


def test_a_clause_that_nothing_explores_is_not_covered(racing: Project) -> None:
    called = racing.call("race", "SYS-03")
    assert called.code == 4
    assert "SYS-03.a closed, SYS-03.b not covered" in called.err


def test_only_what_explores_is_run(racing: Project) -> None:
    called = racing.call("race", "SYS-03.a", "--json")
    (scorecard,) = (json.loads(called.out),)
    (gap,) = scorecard["gaps"]
    asked = [clause["id"] for clause in gap["clauses"] if clause["asked"]]
    assert asked == ["SYS-03.a"]
    assert [one["id"] for one in scorecard["scenarios"]] == ["scenarios/test_races.py::test_counting"]
    assert called.code == 0


def test_a_mutant_is_found_with_its_lanes_and_a_bundle(racing: Project) -> None:
    called = racing.call("race", "SYS-03.a", "--mutant", "SYS-03.1")
    assert called.code == 1
    (folder,) = racing.runs()
    assert (folder / "SYS-03.a.json").is_file()
    assert (folder / "SYS-03.a.html").is_file()
    assert f"overbooked replay reports/out/{folder.name}/SYS-03.a.json" in called.err
    assert "COMMIT  201" in called.err
    assert "> preemption: another actor goes on" in called.err
    assert not (racing.reports / "latest").exists()
    assert diary(racing)[-1] == "close"


def test_a_bound_of_no_preemptions_finds_less(racing: Project) -> None:
    called = racing.call("race", "SYS-03.a", "--mutant", "SYS-03.1", "--preemptions", "0")
    assert called.code == 0


def one_order(racing: Project, *more: str) -> Called:
    return racing.call("race", "SYS-03.a", "--mutant", "SYS-03.1", *more)


def test_one_order_by_hand_is_followed_and_drawn(racing: Project) -> None:
    called = one_order(racing, "--schedule", "0,0,1,1,1,1,0,0", "--json")
    assert called.code == 1
    document = json.loads(called.out)
    assert document["schedule"] == [0, 0, 1, 1, 1, 1, 0, 0]
    assert document["race"] == "first"
    assert document["found"]["what"] == "an increment is lost"
    assert "SYS-03.a OPEN under this order" in called.err


def test_one_order_that_breaks_nothing_is_not_called_closed(racing: Project) -> None:
    called = one_order(racing, "--schedule", "0,0,0,0")
    assert called.code == 0
    assert "this order breaks nothing; one order proves nothing about others" in called.err
    assert "closed" not in called.err


def test_the_race_within_a_scenario_can_be_named(racing: Project) -> None:
    called = one_order(racing, "--schedule", "0", "--race", "second", "--json")
    assert json.loads(called.out)["race"] == "second"


def test_an_order_that_cannot_be_followed_is_inconclusive(racing: Project) -> None:
    called = one_order(racing, "--schedule", "0,0,0,0,0,0,0")
    assert called.code == 3
    assert "only 1 can run" in called.err


@pytest.mark.parametrize("said", ["0,x", "1;2", "-1"])
def test_a_schedule_that_is_none_is_bad_usage(racing: Project, said: str) -> None:
    called = racing.call("race", "SYS-03.a", f"--schedule={said}")
    assert called.code == 2
    assert "such as 0,0,1,1,0" in called.err


def test_shards_are_told_apart_and_explore_a_part_each(racing: Project) -> None:
    cards = []
    for part in ("1/2", "2/2"):
        called = racing.call("race", "SYS-03.a", "--shard", part, "--json")
        assert called.code == 0
        cards.append(json.loads(called.out))
    assert [card["shard"]["present"] for card in cards] == [[1], [2]]
    assert cards[0]["shard"]["missing"] == [2]
    schedules = 0
    for card in cards:
        (clause,) = (one for one in card["gaps"][0]["clauses"] if one["asked"])
        (evidence,) = clause["evidence"]
        for note in evidence["notes"]["interleavings"]:
            assert note["exhausted"]
            schedules += note["schedules"]
    assert schedules == 36


@pytest.mark.parametrize("said", ["0/2", "3/2", "2", "a/b", "1/"])
def test_a_shard_that_is_none_is_bad_usage(racing: Project, said: str) -> None:
    called = racing.call("race", "SYS-03.a", "--shard", said)
    assert called.code == 2
    assert "wanted one part of several, such as 2/8" in called.err


def test_one_order_cannot_be_divided(racing: Project) -> None:
    called = racing.call("race", "SYS-03.a", "--shard", "1/2", "--schedule", "0,1")
    assert called.code == 2
    assert "one schedule cannot be divided" in called.err


def test_another_seed_explores_in_another_order_and_finds_the_same(racing: Project) -> None:
    for seed in ("1", "2"):
        called = racing.call("race", "SYS-03.a", "--seed", seed)
        assert called.code == 0
        assert "SYS-03.a closed: 36 schedules of 2 races" in called.err


def test_a_clause_by_other_means_is_bad_usage(racing: Project) -> None:
    called = racing.call("race", "SYS-03.c")
    assert called.code == 2
    assert "SYS-03.c is not shown by interleavings; of SYS-03 it is SYS-03.a, SYS-03.b" in called.err


def test_a_race_can_be_named_for_one_order_only(racing: Project) -> None:
    assert racing.call("race", "SYS-03.a", "--race", "first").code == 2


def test_a_scenario_that_does_not_exist_is_said(racing: Project) -> None:
    called = one_order(racing, "--schedule", "0", "--scenario", "nowhere")
    assert called.code == 3
    assert "no scenario explores what was named" in called.err


# -- step by step ---------------------------------------------------------------------------------


def test_each_step_is_chosen_by_hand(racing: Project, keyboard: Type) -> None:
    keyboard("0\n0\n1\n1\n1\n1\n")
    called = one_order(racing, "--step", "--json")
    assert called.code == 1
    assert json.loads(called.out)["schedule"] == [0, 0, 1, 1, 1, 1, 0, 0]
    assert "step 2: which actor next? [0/1, Enter 0, g, q, ?]" in called.err
    assert "  0  BEGIN  SELECT" in called.err
    assert "step 6: which actor next?" not in called.err, "no other actor can continue"


def test_enter_goes_on_as_usual_and_g_to_the_end(racing: Project, keyboard: Type) -> None:
    keyboard("1\n\ng\n")
    called = one_order(racing, "--step", "--json")
    assert called.code == 0
    assert json.loads(called.out)["schedule"] == [1, 1, 1, 1, 0, 0, 0, 0]


def test_a_schedule_leads_to_where_the_choosing_begins(racing: Project, keyboard: Type) -> None:
    keyboard("g\n")
    called = one_order(racing, "--schedule", "0,0,1,1", "--step")
    assert called.code == 1
    assert "  1                 >BEGIN  SELECT" in called.err
    assert "step 4: which actor next?" in called.err
    assert called.err.count("which actor next?") == 1


def test_what_cannot_go_is_asked_again(racing: Project, keyboard: Type) -> None:
    keyboard("7\nwhat\n?\ng\n")
    called = one_order(racing, "--step")
    assert "'7' cannot go now" in called.err
    assert "'what' cannot go now" in called.err
    assert called.err.count("step 0: which actor next?") == 4


@pytest.mark.parametrize("typed", ["0\nq\n", "0\n"])
def test_who_leaves_leaves_nothing_behind(racing: Project, keyboard: Type, typed: str) -> None:
    keyboard(typed)
    called = one_order(racing, "--step")
    assert called.code == 3
    assert "left at step 1: nothing was judged" in called.err
    assert "until then it was --schedule 0" in called.err
    assert diary(racing)[-1] == "close"
