"""The selection of a part of a proof: by change, by time, by shard."""

from __future__ import annotations

from overbooked.catalog import Mutant
from overbooked.runs.impact import Impact
from overbooked.runs.proof_selection import Costs, balanced, choose, shard_of

GAPS = 12
CLAUSES = [f"T-{n:02}.{letter}" for n in range(GAPS) for letter in "abc"]
MUTANTS = [
    Mutant(f"T-{n:02}", number, (f"T-{n:02}.{letter}",), "wrong")
    for n in range(GAPS)
    for number, letter in enumerate("abc", 1)
]
# Scenario x of a gap judges its clauses a and b, scenario y judges c.
FUNCTIONS = {clause: [f"{clause[:4]}::{'y' if clause.endswith('c') else 'x'}"] for clause in CLAUSES}
COSTS = Costs(FUNCTIONS, {name: 10.0 for names in FUNCTIONS.values() for name in names})


def names(mutants: list[Mutant]) -> list[str]:
    return [mutant.name for mutant in mutants]


def test_without_a_choice_everything_is_proven() -> None:
    part = choose(CLAUSES, MUTANTS, COSTS)
    assert list(part.clauses) == CLAUSES
    assert list(part.mutants) == names(MUTANTS)
    assert not part.left


def test_a_changed_clause_is_met_by_the_mutants_that_break_it() -> None:
    part = choose(CLAUSES, MUTANTS, COSTS, impact=Impact(("x",), clauses=frozenset({"T-03.b"})))
    assert part.clauses == ("T-03.b",)
    assert part.mutants == ("T-03.2",)
    assert set(part.left) == set(names(MUTANTS)) - {"T-03.2"}


def test_a_changed_mutant_brings_the_clauses_it_breaks() -> None:
    part = choose(CLAUSES, MUTANTS, COSTS, impact=Impact(("x",), mutants=frozenset({"T-05.3"})))
    assert part.clauses == ("T-05.c",)
    assert part.mutants == ("T-05.3",)


def test_a_mutant_of_another_gap_that_breaks_a_changed_clause_is_met() -> None:
    stranger = Mutant("U-01", 1, ("T-03.b", "U-01.a"), "wrong")
    impact = Impact(("x",), clauses=frozenset({"T-03.b"}))
    part = choose([*CLAUSES, "U-01.a"], [*MUTANTS, stranger], COSTS, impact=impact)
    assert part.mutants == ("T-03.2", "U-01.1")


def test_what_cannot_be_narrowed_proves_everything() -> None:
    part = choose(CLAUSES, MUTANTS, COSTS, impact=Impact(("x",), everything="x may affect every verdict"))
    assert list(part.clauses) == CLAUSES
    assert set(part.mutants) == set(names(MUTANTS))


def test_a_change_of_nothing_proves_nothing() -> None:
    assert choose(CLAUSES, MUTANTS, COSTS, impact=Impact(("README.md",))).empty


def test_within_a_budget_the_change_comes_first_and_a_sample_of_the_rest_follows() -> None:
    impact = Impact(("x",), clauses=frozenset({"T-11.c"}))
    for turn in range(20):
        part = choose(CLAUSES, MUTANTS, COSTS, impact=impact, budget_s=100, turn=turn)
        assert "T-11.3" in part.mutants
        assert len(part.mutants) > 1
        assert set(part.mutants) | set(part.left) == set(names(MUTANTS))


def test_samples_of_consecutive_commits_cover_everything() -> None:
    for budget_s in (40, 100, 300):
        for first in (0, 17):
            drawn: set[str] = set()
            turns = 0
            while drawn != set(names(MUTANTS)):
                part = choose(CLAUSES, MUTANTS, COSTS, budget_s=budget_s, turn=first + turns)
                drawn.update(part.mutants)
                turns += 1
                assert turns <= len(MUTANTS)


def test_a_sample_is_the_same_for_the_same_commit_and_within_the_budget() -> None:
    for turn in range(10):
        one, other = (choose(CLAUSES, MUTANTS, COSTS, budget_s=100, turn=turn) for _ in range(2))
        assert one == other
        functions = COSTS.scenarios(one.clauses)
        assert COSTS.of(functions) + 10 * len(one.mutants) <= 100


def test_no_sample_leaves_room_for_another_mutant() -> None:
    for budget_s in (100, 130, 300):
        for turn in range(10):
            part = choose(CLAUSES, MUTANTS, COSTS, budget_s=budget_s, turn=turn)
            seconds = COSTS.of(COSTS.scenarios(part.clauses)) + 10 * len(part.mutants)
            # One more takes 10 s, and 10 s on the healthy system unless its scenario is there already.
            assert not part.left or seconds + 20 > budget_s


def test_a_change_that_does_not_fit_is_proven_by_turns() -> None:
    everything = Impact(("x",), everything="x may affect every verdict")
    drawn: set[str] = set()
    for turn in range(10):
        part = choose(CLAUSES, MUTANTS, COSTS, impact=everything, budget_s=120, turn=turn)
        assert part.left
        drawn.update(part.mutants)
    assert drawn == set(names(MUTANTS))


def test_shards_are_disjoint_complete_and_of_about_the_same_length() -> None:
    whole = choose(CLAUSES, MUTANTS, COSTS)
    for of in (1, 2, 3, 7, 100):
        parts = [shard_of(whole, MUTANTS, COSTS, index, of) for index in range(1, of + 1)]
        assert sorted(name for part in parts for name in part.mutants) == sorted(names(MUTANTS))
        assert sorted(clause for part in parts for clause in part.healthy) == sorted(CLAUSES)
        loads = [10 * len(part.mutants) + COSTS.of(COSTS.scenarios(part.healthy)) for part in parts]
        assert max(loads) - min(loads) <= 10


def test_clauses_that_share_a_scenario_stay_in_one_shard() -> None:
    whole = choose(CLAUSES, MUTANTS, COSTS)
    for index in range(1, 8):
        healthy = set(shard_of(whole, MUTANTS, COSTS, index, 7).healthy)
        for gap in range(GAPS):
            assert (f"T-{gap:02}.a" in healthy) == (f"T-{gap:02}.b" in healthy)


def test_the_heaviest_goes_first_to_the_lightest_shard() -> None:
    assert balanced([1, 5, 3, 3], 2) == [1, 1, 2, 2]
    assert sorted(set(balanced([1.0] * 9, 3))) == [1, 2, 3]
    assert balanced([], 4) == []
