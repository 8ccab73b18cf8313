"""Cases of a matrix: every two values of different axes meet, and the evidence says how many of how many."""

from __future__ import annotations

import random
from itertools import combinations

import pytest

from overbooked.errors import GapFound
from overbooked.matrix import Sample, chosen, pairs
from overbooked.verdicts.judge import Judge

AXES = {"way": tuple("abcdef"), "at": (1, 2, 3, 4), "price": (10, 20), "key": ("same", "new")}


@pytest.mark.parametrize("seed", range(5))
def test_every_two_values_of_different_axes_meet(seed: int) -> None:
    found = pairs(AXES, random.Random(seed))
    for one, other in combinations(AXES, 2):
        met = {(case[one], case[other]) for case in found}
        assert met == {(a, b) for a in AXES[one] for b in AXES[other]}
    assert len(found) < 40 < 6 * 4 * 2 * 2


def test_axes_that_are_apart_need_not_meet_and_keep_every_value() -> None:
    found = pairs(AXES, random.Random(1), apart=("way", "at"))
    assert {case["way"] for case in found} == set(AXES["way"])
    assert {case["at"] for case in found} == set(AXES["at"])
    assert len(found) < 24


def test_one_seed_chooses_the_same_cases_and_another_seed_others() -> None:
    assert pairs(AXES, random.Random(1)) == pairs(AXES, random.Random(1)) != pairs(AXES, random.Random(2))


def test_all_combinations_are_taken_if_there_is_room_and_random_ones_added_otherwise() -> None:
    assert len(chosen(AXES, random.Random(1), most=96)) == 96
    more = chosen(AXES, random.Random(1), most=60)
    assert len(more) == len({tuple(case.values()) for case in more}) == 60


def test_an_axis_without_values_is_refused() -> None:
    with pytest.raises(ValueError, match="an axis needs values: at"):
        pairs({"way": ("a",), "at": ()}, random.Random(1))
    assert pairs({"way": ("a", "b")}, random.Random(1)) == [{"way": "a"}, {"way": "b"}]


def test_cases_are_counted_once_they_have_ended() -> None:
    judge = Judge(["SYS-04.a"], "scenario")
    for case in Sample(judge, AXES, random.Random(1), what="changes"):
        assert case.way in AXES["way"]
    (result,) = judge.conclude(None)
    (exercise,) = result.exercises
    assert (exercise.done, exercise.of) == (result.counts["changes"], 96)
    assert result.notes["axes of changes"]["price"] == ["10", "20"]


def test_a_group_has_the_same_values_and_no_more_cases_than_its_size() -> None:
    sample = Sample(Judge(["SYS-04.a"], "scenario"), AXES, random.Random(1))
    seen = []
    for same, group in sample.groups("price", lambda case: case.key == "new", size=3):
        assert len(group) <= 3
        assert {(case.price, case.key) for case in group} == {(same.price, same.key)}
        seen += group
    assert len(seen) == len(sample.cases)


def test_cases_end_when_every_clause_is_open() -> None:
    judge = Judge(["SYS-04.a"], "scenario")
    for _ in Sample(judge, AXES, random.Random(1)):
        with judge("SYS-04.a"):
            raise GapFound("dearer")
    (result,) = judge.conclude(None)
    assert result.counts == {"cases": 1}
