"""A clause is closed by its own means only, and only when they were used: fixtures first, then counts."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from overbooked.catalog import Clause, Gap, Means, Mutant, Priority
from overbooked.catalog.selection import Selection
from overbooked.runs.plan import Variant
from overbooked.verdicts.assembly import ScenarioRun, assemble
from overbooked.verdicts.evidence import Receipt
from overbooked.verdicts.exercise import Exercise
from overbooked.verdicts.judge import Judge
from overbooked.verdicts.means import RULES, blind_to, said_of
from overbooked.verdicts.scorecard import ClauseScore
from overbooked.verdicts.verdict import Verdict
from tests.plugin.conftest import PLUGINS, ScenarioRunner
from tests.verdicts.samples import RUN

Make = Callable[..., Variant]

EXPLORED = Exercise(Means.INTERLEAVINGS, 30, subject="book and book", actors=2, preemptions=2, exhausted=True)


def clause_of(*by: Means, ran: list[tuple[Exercise, ...]]) -> ClauseScore:
    """Return a clause with these means after scenarios with these exercises and no finding."""
    clause = Clause("T-1", "a", by, "it holds")
    gap = Gap("T-1", "T", Priority.P0, "x", (clause,), (Mutant("T-1", 1, ("T-1.a",), "broken"),))
    scenarios = []
    for number, exercises in enumerate(ran):
        judge = Judge(["T-1.a"], f"test_{number}", {"T-1.a": by})
        judge.tally("counted")
        for exercise in exercises:
            judge.exercised(exercise)
        scenarios.append(ScenarioRun(judge.scenario, judge.conclude(None)))
    card = assemble(RUN, Selection((gap,), ("T-1.a",), {}), scenarios, complete=True)
    return card.gaps[0].clauses[0]


# -- at collection ------------------------------------------------------------------------------

TEN_LINES = """
@gap("SYS-03.a")
async def test_a_journey(stack, judge):
    judge.count("schedules", 1000)
"""


def plainly(runner: ScenarioRunner, pytester: pytest.Pytester, source: str) -> str:
    """Return the output of a session with a scenario that uses only the harness's fixtures."""
    pytester.makepyfile(test_means="from overbooked import *\nimport pytest\n" + source)
    result = pytester.runpytest_inprocess(*PLUGINS, "--collect-only", "-o", "asyncio_mode=auto")
    assert result.ret != 0
    return " ".join(result.stdout.str().split())


@pytest.mark.parametrize(
    ("clause", "fixtures", "wanted"),
    [
        ("SYS-03.a", "system, judge", "interleavings (fixture `explorer`)"),
        ("SYS-03.c", "system, judge, faults", "bursts (fixture `bursts`)"),
        ("SYS-01.a", "judge", "fault-points (fixture `sweeps` or `stack`)"),
        ("SYS-28.e", "system, judge", "toxics (fixture `faults`)"),
        ("SYS-01.f", "stack, judge", "journey (fixture `system`)"),
        ("LIV-6.3.a", "system, judge", "browser (fixture `browser`)"),
    ],
)
def test_a_scenario_whose_fixtures_supply_no_means_of_its_clause_is_refused(
    runner: ScenarioRunner, pytester: pytest.Pytester, clause: str, fixtures: str, wanted: str
) -> None:
    said = plainly(runner, pytester, f'@gap("{clause}")\nasync def test_it({fixtures}):\n    pass\n')
    assert f"{clause} is to be shown by" in said
    assert wanted in said


def test_a_scenario_bound_to_a_whole_gap_supplies_a_means_of_each_clause_or_is_refused(
    runner: ScenarioRunner, pytester: pytest.Pytester
) -> None:
    assert "SYS-03.a is to be shown by interleavings" in plainly(
        runner, pytester, '@gap("SYS-03")\nasync def test_it(bursts, judge):\n    pass\n'
    )


def test_a_fixture_that_is_asked_for_and_not_used_closes_nothing(
    runner: ScenarioRunner, healthy: Make
) -> None:
    session = runner.hold(
        """
@pytest.fixture
def judge(request):
    from overbooked.plugin import manager_of
    return manager_of(request.config).judge(request.node)

@gap("SYS-03.c")
async def test_it(bursts, judge):
    judge.count("bursts", 600)
    judge.count("requests", 30000)
""",
        healthy("SYS-03.c"),
    )
    assert session.verdicts() == {"healthy SYS-03.c": "inconclusive"}
    assert "by bursts: not shown" in session.results[0].results[0].reason


# -- by counts ----------------------------------------------------------------------------------


def test_an_exploration_of_two_actors_that_exhausted_its_bound_closes() -> None:
    assert clause_of(Means.INTERLEAVINGS, ran=[(EXPLORED,)]).verdict is Verdict.CLOSED


@pytest.mark.parametrize(
    "exercise",
    [
        Exercise(Means.INTERLEAVINGS, 30, actors=1, preemptions=2, exhausted=True),
        Exercise(Means.INTERLEAVINGS, 30, actors=2, preemptions=2),
        Exercise(Means.INTERLEAVINGS, 0, actors=2, preemptions=2, exhausted=True),
        Exercise(Means.BURSTS, 30, actors=50),
        Exercise(Means.JOURNEY, 400),
    ],
    ids=["one actor", "not exhausted", "no schedule", "bursts instead", "a journey instead"],
)
def test_no_other_exercise_closes_a_clause_by_interleavings(exercise: Exercise) -> None:
    score = clause_of(Means.INTERLEAVINGS, ran=[(exercise,)])
    assert score.verdict is Verdict.INCONCLUSIVE
    assert "explore a race of at least two actors until its bound is exhausted" in score.reason


@pytest.mark.parametrize("means", list(Means))
def test_each_means_needs_its_own_count(means: Means) -> None:
    others = tuple(
        Exercise(other, 9, actors=2, preemptions=2, exhausted=True) for other in Means if other is not means
    )
    own = Exercise(means, RULES[means].least, actors=2, preemptions=2, exhausted=True)
    nothing = Exercise(means, RULES[means].least - 1, actors=2, preemptions=2, exhausted=True)
    assert clause_of(means, ran=[others]).verdict is Verdict.INCONCLUSIVE
    assert clause_of(means, ran=[(*others, nothing)]).verdict is Verdict.INCONCLUSIVE
    assert clause_of(means, ran=[(own,)]).verdict is Verdict.CLOSED


def test_a_clause_by_two_means_needs_both_be_it_from_two_scenarios() -> None:
    burst, toxic = Exercise(Means.BURSTS, 12), Exercise(Means.TOXICS, 2)
    both = (Means.BURSTS, Means.TOXICS)
    lacking = clause_of(*both, ran=[(burst,), (burst,)])
    assert lacking.verdict is Verdict.INCONCLUSIVE
    assert lacking.reason.startswith("by toxics: not shown")
    assert clause_of(*both, ran=[(burst,), (toxic,)]).verdict is Verdict.CLOSED


def test_a_scenario_that_used_none_of_the_means_is_not_carried_by_another() -> None:
    score = clause_of(Means.BURSTS, ran=[(Exercise(Means.BURSTS, 12),), ()])
    assert score.verdict is Verdict.INCONCLUSIVE


def test_what_a_tool_counts_makes_no_case_of_a_matrix_and_one_case_is_no_matrix() -> None:
    for counted, verdict in ((0, Verdict.INCONCLUSIVE), (1, Verdict.INCONCLUSIVE), (2, Verdict.CLOSED)):
        judge = Judge(["T-1.a"], "test", {"T-1.a": (Means.MATRIX,)})
        judge.tally("schedules", 50)
        for _ in range(counted):
            judge.count("differences")
        clause = Clause("T-1", "a", (Means.MATRIX,), "it holds")
        gap = Gap("T-1", "T", Priority.P0, "x", (clause,), ())
        ran = [ScenarioRun("test", judge.conclude(None))]
        card = assemble(RUN, Selection((gap,), ("T-1.a",), {}), ran, complete=True)
        assert card.gaps[0].clauses[0].verdict is verdict, counted


@pytest.mark.parametrize(
    ("means", "other"), [(Means.TOXICS, Means.PROCESS), (Means.PROCESS, Means.TOXICS)], ids=str
)
def test_a_fault_of_a_link_is_no_fault_of_a_process_and_one_that_did_not_bite_is_none(
    means: Means, other: Means
) -> None:
    def concluded(*receipts: Receipt) -> Verdict:
        judge = Judge(["T-1.a"], "test", {"T-1.a": (means,)})
        for receipt in receipts:
            judge.receive(receipt)
        return judge.conclude(None)[0].verdict

    own = Receipt("x", "y", 0.0, 1.0, bit=True, means=means.value)
    wrong = Receipt("x", "y", 0.0, 1.0, bit=True, means=other.value)
    missed = Receipt("x", "y", 0.0, 1.0, bit=False, means=means.value)
    assert concluded(own) is Verdict.CLOSED
    assert concluded(wrong) is concluded(missed) is concluded(own, missed) is Verdict.INCONCLUSIVE


def test_an_exploration_for_one_clause_closes_no_other_of_its_scenario() -> None:
    by = {"T-1.a": (Means.INTERLEAVINGS,), "T-1.b": (Means.INTERLEAVINGS,)}
    judge = Judge(list(by), "test", by)
    judge.tally("schedules", 30)
    judge.exercised(EXPLORED, ["T-1.a"])
    for clause in by:
        with judge(clause):
            pass
    assert [each.verdict for each in judge.conclude(None)] == [Verdict.CLOSED, Verdict.INCONCLUSIVE]


# -- what a verdict says ------------------------------------------------------------------------


def test_a_sample_says_of_how_many() -> None:
    swept = [Exercise(Means.FAULT_POINTS, 40, 300), Exercise(Means.FAULT_POINTS, 11, 141)]
    assert said_of(swept) == "51 of 441 fault points"


def test_the_bound_is_the_one_that_was_exhausted_for_each_number_of_actors() -> None:
    three = Exercise(Means.INTERLEAVINGS, 156, actors=3, preemptions=1, exhausted=True)
    less = Exercise(Means.INTERLEAVINGS, 4, actors=2, preemptions=1, exhausted=True)
    assert said_of([EXPLORED, three]) == (
        "2 actors exhausted at 2 preemptions (30 schedules), "
        "3 actors exhausted at 1 preemption (156 schedules)"
    )
    assert said_of([EXPLORED, less]) == "2 actors exhausted at 1 preemption (34 schedules)"


def test_a_strategy_that_draws_says_sampled_and_never_exhausted() -> None:
    # What a real exploration by random walk hands over is tested in test_sampling.
    drawn = Exercise(Means.INTERLEAVINGS, 860, 964, actors=3, preemptions=2, sampled="PCT")
    score = clause_of(Means.INTERLEAVINGS, ran=[(EXPLORED, drawn)])
    assert score.verdict is Verdict.CLOSED
    assert score.exercised.endswith("3 actors sampled by PCT (860 of 964 schedules)")
    mixed = clause_of(Means.INTERLEAVINGS, ran=[(EXPLORED, Exercise(**{**_fields(drawn), "actors": 2}))])
    assert "exhausted" not in mixed.exercised


def _fields(exercise: Exercise) -> dict[str, object]:
    return {name: getattr(exercise, name) for name in exercise.__slots__}


def test_every_means_says_what_it_cannot_see() -> None:
    assert set(RULES) == set(Means)
    assert all(line.partition(": ")[2] for line in blind_to(Means))


def test_the_documentation_has_the_table_of_the_harness() -> None:
    from pathlib import Path

    page = Path(__file__).parents[2].joinpath("docs", "means.md").read_text(encoding="utf-8")
    for means, rule in RULES.items():
        fixtures = ", ".join(f"`{name}`" for name in rule.fixtures)
        assert f"| {means.value} | {fixtures} | {rule.least} {rule.unit} | {rule.blind} |" in page
