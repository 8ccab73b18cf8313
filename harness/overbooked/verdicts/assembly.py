"""Assembles the scorecard of a run from the results of its scenarios."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from overbooked.catalog.model import Clause, Gap
from overbooked.catalog.selection import Selection
from overbooked.verdicts.evidence import EXERCISED, ClauseResult
from overbooked.verdicts.exercise import Exercise
from overbooked.verdicts.means import lacking, why_lacking
from overbooked.verdicts.scorecard import (
    Canary,
    ClauseScore,
    Evidence,
    GapScore,
    LoadScore,
    Run,
    ScenarioScore,
    Scorecard,
)
from overbooked.verdicts.verdict import Verdict, worst

NO_SCENARIO = "no scenario judges it"
NOT_RUN = "its scenario has not run"
NO_CLAUSE_ASKED = "no clause of it is asked"


@dataclass(frozen=True, slots=True)
class ScenarioRun:
    """One run of a scenario: its results, the logs of the system meanwhile, and a traceback.

    Args:
        scenario: its pytest node id.
        results: one for each clause that it judged.
        started_at: the start, timezone-aware.
        duration_s: duration in seconds.
        logs: the last log lines of each process.
        trace: the traceback, if the harness failed.
    """

    scenario: str
    results: tuple[ClauseResult, ...]
    started_at: datetime | None = None
    duration_s: float = 0.0
    logs: Mapping[str, Sequence[str]] = field(default_factory=dict)
    trace: str = ""


def assemble(
    run: Run,
    selection: Selection,
    ran: Iterable[ScenarioRun],
    *,
    bound: Collection[str] = (),
    absent: Mapping[str, str] | None = None,
    in_part: Mapping[str, str] | None = None,
    complete: bool = False,
    aborted: str = "",
    canary: Canary | None = None,
    errors: Sequence[str] = (),
    load: Sequence[LoadScore] = (),
    now: datetime | None = None,
) -> Scorecard:
    """Return the scorecard of a run so far. Of several results for a clause the worst counts.

    Args:
        run: the description of the run.
        selection: the gaps, the requested clauses, and the reasons why others are not requested.
        ran: the scenarios that have ended; results for clauses that are not requested are ignored.
        bound: full names of the clauses that a scenario is bound to. Such a clause without a result is
            inconclusive, because its scenario did not run; any other clause without one is not covered.
        absent: the reason why a scenario of a clause did not run to its end, by the clause's full name; the
            clause is not closed.
        in_part: the reason why this run alone cannot close a clause: other shards have scenarios of it.
        complete: whether everything planned has run.
        aborted: the reason, if the run was aborted.
        canary: the verdict of the canary.
        errors: errors outside any scenario.
        load: the results of load profiles.
        now: the end of the run so far; default the current time.
    """
    ran = tuple(ran)
    evidence: dict[str, list[Evidence]] = {}
    for scenario in ran:
        for result in scenario.results:
            evidence.setdefault(result.clause, []).append(_evidence(result))
    asked = set(selection.clauses)
    missing = absent or {}
    divided = in_part or {}

    def score(clause: Clause) -> ClauseScore:
        if clause.name not in asked:
            return _score(clause, None, selection.not_asked.get(clause.name, ""), ())
        shown = tuple(evidence.get(clause.name, ()))
        if shown:
            verdict = worst(each.verdict for each in shown)
            absence = missing.get(clause.name, "") or divided.get(clause.name, "")
            if doubt := doubt_of(clause, verdict, _exercises(shown), absence):
                return _score(clause, Verdict.INCONCLUSIVE, doubt, shown)
            return _score(clause, verdict, reason_of(verdict, shown), shown)
        if clause.name in bound or clause.name in missing or clause.name in divided:
            why = missing.get(clause.name, "") or divided.get(clause.name, "") or NOT_RUN
            reason = f"{NOT_RUN}: {aborted}" if aborted else why
            return _score(clause, Verdict.INCONCLUSIVE, reason, ())
        return _score(clause, Verdict.NOT_COVERED, NO_SCENARIO, ())

    return Scorecard(
        run=run,
        complete=complete,
        ended_at=now or datetime.now(UTC),
        gaps=tuple(gap_score(gap, [score(clause) for clause in gap.clauses]) for gap in selection.gaps),
        scenarios=_scenarios(ran),
        canary=canary,
        narrowed=selection.narrowed,
        aborted=aborted,
        errors=tuple(errors),
        load=tuple(load),
    )


def doubt_of(clause: Clause, verdict: Verdict, exercises: Iterable[Exercise], absent: str) -> str:
    """Return why a clause is inconclusive although the worst verdict of its scenarios is `verdict`, else "".

    Only this function checks the scenarios of a clause together: all must have run, and one of them must have
    used each means of the clause.

    Args:
        exercises: the exercises of all its scenarios.
        absent: the reason why a scenario of the clause did not run to its end.
    """
    if verdict not in (Verdict.CLOSED, Verdict.NOT_COVERED):
        return ""
    if absent or verdict is Verdict.NOT_COVERED:
        return absent
    return why_lacking(lacking(clause.by, exercises))


def _exercises(shown: Iterable[Evidence]) -> list[Exercise]:
    return [exercise for each in shown for exercise in each.exercises]


def reason_of(verdict: Verdict, shown: Sequence[Evidence]) -> str:
    """Return the reasons of the scenarios with this verdict."""
    return "; ".join(dict.fromkeys(e.reason for e in shown if e.verdict is verdict and e.reason))


def gap_score(gap: Gap | GapScore, clauses: Sequence[ClauseScore]) -> GapScore:
    """Return the score of a gap: the worst verdict of its requested clauses, with the reason."""
    asked = [clause.verdict for clause in clauses if clause.verdict is not None]
    verdict = worst(asked)
    guilty = [clause for clause in clauses if clause.verdict is verdict]
    reason = "" if asked else NO_CLAUSE_ASKED
    if asked and verdict is not Verdict.CLOSED:
        same = dict.fromkeys(clause.reason for clause in guilty)
        reason = next(iter(same)) if len(same) == 1 else ", ".join(clause.letter for clause in guilty)
    return GapScore(
        id=gap.id,
        title=gap.title,
        priority=str(gap.priority),
        theme=gap.theme,
        verdict=verdict,
        clauses=tuple(clauses),
        reason=reason,
        impact=gap.impact,
    )


def _score(clause: Clause, verdict: Verdict | None, reason: str, shown: tuple[Evidence, ...]) -> ClauseScore:
    return ClauseScore(clause.name, verdict, tuple(str(by) for by in clause.by), clause.text, reason, shown)


def _evidence(result: ClauseResult) -> Evidence:
    return Evidence(
        scenario=result.scenario,
        verdict=result.verdict,
        reason=result.reason,
        counts=result.counts,
        notes=_notes(result),
        injected=len(result.receipts),
        bit=sum(receipt.bit for receipt in result.receipts),
        finding=result.finding,
        duration_s=result.duration_s,
    )


def _notes(result: ClauseResult) -> Mapping[str, object]:
    if not result.exercises:
        return result.notes
    return {**result.notes, EXERCISED: [exercise.as_dict() for exercise in result.exercises]}


def _scenarios(ran: Iterable[ScenarioRun]) -> tuple[ScenarioScore, ...]:
    attempts: dict[str, int] = {}
    scores = []
    for scenario in ran:
        attempts[scenario.scenario] = attempts.get(scenario.scenario, 0) + 1
        scores.append(
            ScenarioScore(
                id=scenario.scenario,
                verdict=worst(result.verdict for result in scenario.results),
                started_at=scenario.started_at,
                duration_s=scenario.duration_s or max((r.duration_s for r in scenario.results), default=0.0),
                # A judge gives every result of a scenario the same receipts; one copy is enough.
                receipts=max((r.receipts for r in scenario.results), key=len, default=()),
                logs=scenario.logs,
                trace=scenario.trace,
                attempt=attempts[scenario.scenario],
            )
        )
    return tuple(scores)
