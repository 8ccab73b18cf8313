"""Detects scenarios that did not run; their clauses are never closed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from overbooked.catalog import Catalog
from overbooked.runs.plan import Trial
from overbooked.runs.result import TrialResult
from overbooked.verdicts.assembly import doubt_of
from overbooked.verdicts.verdict import worst


def function_of(scenario: str) -> str:
    """Return the node id of a scenario's function, without parameters."""
    file, separator, rest = scenario.partition("::")
    return f"{file}{separator}{rest.partition('[')[0]}"


def absences(
    expected: Mapping[str, Sequence[str]], there: Iterable[tuple[str, Sequence[str]]]
) -> dict[str, str]:
    """Return the clauses with a missing scenario: full name to reason.

    Args:
        expected: the scenario functions in the source for each requested clause.
        there: the scenarios that were collected or ran, each with its family.
    """
    scenarios = dict(there)
    functions = {function_of(scenario) for scenario in scenarios}
    lost: dict[str, list[str]] = {}
    for family in scenarios.values():
        for member in family:
            if member not in scenarios:
                lost.setdefault(function_of(member), []).append(member)
    found: dict[str, str] = {}
    for clause, wanted in expected.items():
        missing = [name for name in wanted if name not in functions]
        for name in wanted:
            missing += dict.fromkeys(lost.get(name, ()))
        if missing:
            more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
            found[clause] = (
                f"a scenario of this clause was not run: {missing[0]}{more}; run it too: no option, "
                "conftest file or marker may leave it out"
            )
    return found


def doubts(
    results: Iterable[TrialResult], expected: Mapping[str, Sequence[str]], catalog: Catalog
) -> dict[tuple[Trial, str], str]:
    """Return why clauses are inconclusive in a trial although their scenarios report them as closed.

    Args:
        results: results of all scenarios and trials; those of one trial are examined together.
        expected: the scenario functions in the source for each clause.
    """
    by_trial: dict[Trial, list[TrialResult]] = {}
    for result in results:
        by_trial.setdefault(result.trial, []).append(result)
    found: dict[tuple[Trial, str], str] = {}
    for trial, ran in by_trial.items():
        ruled = [each for result in ran for each in result.results]
        absent = absences(expected, ((result.scenario, result.family) for result in ran))
        for clause in catalog.clauses_of(dict.fromkeys(each.clause for each in ruled)):
            those = [each for each in ruled if each.clause == clause.name]
            exercises = [exercise for each in those for exercise in each.exercises]
            verdict = worst(each.verdict for each in those)
            if doubt := doubt_of(clause, verdict, exercises, absent.get(clause.name, "")):
                found[trial, clause.name] = doubt
    return found
