"""The combination of scenarios and variants to trials: selection, order and names."""

from __future__ import annotations

from collections.abc import Callable

from overbooked.runs.plan import CANARY, Variant

from .conftest import ScenarioRunner

Make = Callable[..., Variant]

TWO = """
@gap("SYS-03.c")
async def test_one(stack, judge, rng):
    judge.count("rounds")
    judge.note("drawn", rng.random())

@gap("SYS-03.d", "SYS-03.e")
@pytest.mark.parametrize("way", ["in", "out"])
async def test_two(stack, judge, way):
    judge.count("rounds")
"""


def mutant(name: str, *clauses: str, **more: object) -> Variant:
    return Variant(name, name, clauses, **more)  # type: ignore[arg-type]


def test_the_runs_own_variant_keeps_the_plain_names(runner: ScenarioRunner, healthy: Make) -> None:
    session = runner.hold(TWO, healthy("SYS-03.c", "SYS-03.d", "SYS-03.e"))
    assert sorted(session.ids) == [
        "test_toy.py::test_one",
        "test_toy.py::test_two[in]",
        "test_toy.py::test_two[out]",
    ]
    assert sorted(result.scenario for result in session.results) == sorted(session.ids)


def test_a_proof_names_each_trial_and_the_scenario_stays_the_same(
    runner: ScenarioRunner, healthy: Make
) -> None:
    session = runner.hold(
        TWO,
        healthy("SYS-03.c", "SYS-03.d"),
        mutant("SYS-03.1", "SYS-03.d", repeats=2),
        plain=False,
    )
    assert sorted(session.ids) == [
        "test_toy.py::test_one[healthy]",
        "test_toy.py::test_two[in-SYS-03.1]",
        "test_toy.py::test_two[in-SYS-03.1~2]",
        "test_toy.py::test_two[in-healthy]",
        "test_toy.py::test_two[out-SYS-03.1]",
        "test_toy.py::test_two[out-SYS-03.1~2]",
        "test_toy.py::test_two[out-healthy]",
    ]
    assert {result.scenario for result in session.results} == {
        "test_toy.py::test_one",
        "test_toy.py::test_two[in]",
        "test_toy.py::test_two[out]",
    }


def test_a_stack_is_renewed_once_a_variant_and_repetition_of_a_mutant(
    runner: ScenarioRunner, healthy: Make
) -> None:
    session = runner.hold(
        TWO,
        healthy("SYS-03.c", "SYS-03.d"),
        mutant("SYS-03.1", "SYS-03.c", "SYS-03.d", repeats=2),
        mutant("SYS-03.2", "SYS-03.c"),
        plain=False,
    )
    assert [line for line in session.diary if line != "heal"] == [
        "start None x2",
        *["renew SYS-03.1"] * 2,
        "renew SYS-03.2",
        "close",
    ]


def test_the_canary_comes_first_once_and_on_a_stack_of_its_own(runner: ScenarioRunner, healthy: Make) -> None:
    canary = Variant(CANARY, "SYS-03.1", ("SYS-03.d",), replicas=1, first_only=True, small=True)
    session = runner.hold(TWO, healthy("SYS-03.c", "SYS-03.d"), canary)
    assert session.results[0].trial.variant == CANARY
    assert [result.trial.variant for result in session.results].count(CANARY) == 1
    assert session.diary[:4] == ["start SYS-03.1 x1", "heal", "close", "start None x2"]


def test_what_nobody_asks_for_is_deselected(runner: ScenarioRunner, healthy: Make) -> None:
    session = runner.hold(TWO, healthy("SYS-03.c"))
    assert session.ids == ["test_toy.py::test_one"]


def test_trials_that_are_done_are_not_held_again(runner: ScenarioRunner, healthy: Make) -> None:
    session = runner.hold(
        TWO,
        healthy("SYS-03.c", "SYS-03.d"),
        mutant("SYS-03.1", "SYS-03.c"),
        plain=False,
        done=frozenset({("test_toy.py::test_one", "healthy"), ("test_toy.py::test_two[in]", "healthy")}),
    )
    assert sorted(session.ids) == ["test_toy.py::test_one[SYS-03.1]", "test_toy.py::test_two[out-healthy]"]


def test_the_longest_mutant_goes_first(runner: ScenarioRunner, healthy: Make) -> None:
    session = runner.hold(
        TWO,
        healthy("SYS-03.c"),
        mutant("SYS-03.1", "SYS-03.c"),
        mutant("SYS-03.2", "SYS-03.d"),
        plain=False,
        weights={
            "test_toy.py::test_one": 9.0,
            "test_toy.py::test_two[in]": 1.0,
            "test_toy.py::test_two[out]": 30.0,
        },
    )
    assert [result.trial.variant for result in session.results] == [
        "healthy",
        "SYS-03.2",
        "SYS-03.2",
        "SYS-03.1",
    ]
    assert session.results[1].scenario.endswith("[out]")


def test_every_variant_draws_the_same_and_every_repetition_anew(
    runner: ScenarioRunner, healthy: Make
) -> None:
    session = runner.hold(TWO, healthy("SYS-03.c", repeats=2), mutant("SYS-03.1", "SYS-03.c"), plain=False)
    drawn = {r.trial.id: r.results[0].notes["drawn"] for r in session.results}
    assert drawn["healthy"] == drawn["SYS-03.1"] != drawn["healthy~2"]


def test_a_scenario_bound_to_nothing_known_is_refused(runner: ScenarioRunner, healthy: Make) -> None:
    session = runner.hold('@gap("SYS-99")\ndef test_it():\n    pass', healthy("SYS-03.c"))
    assert session.results == []
    assert session.raw.ret != 0


def test_ordinary_tests_beside_scenarios_run_untouched(runner: ScenarioRunner, healthy: Make) -> None:
    session = runner.hold(TWO + "\ndef test_plain():\n    pass\n", healthy("SYS-03.c"))
    assert "test_toy.py::test_plain" in session.ids
    assert session.outcomes == [2, 0, 0]
