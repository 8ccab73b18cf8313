"""From the results of scenarios to the scorecard of a run."""

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
    """One scenario as it ran: its results, the logs of the system meanwhile, and a trace.

    Args:
        scenario: its pytest node id.
        results: one for each clause it judged.
        started_at: when, aware.
        duration_s: how long it took.
        logs: last lines by process.
        trace: where the harness broke, when it did.
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
    complete: bool = False,
    aborted: str = "",
    canary: Canary | None = None,
    errors: Sequence[str] = (),
    load: Sequence[LoadScore] = (),
    now: datetime | None = None,
) -> Scorecard:
    """The scorecard of a run so far. Of several results for a clause the worst counts.

    Args:
        run: what the run was.
        selection: the gaps, the clauses asked and why the others are not.
        ran: the scenarios that came to an end; results for clauses not asked are left out.
        bound: full names of the clauses that some scenario is bound to; one of these without a
            result is inconclusive, since its scenario did not run, where another without is
            not covered.
        absent: why not every scenario of a clause ran to its end, by the clause's full name; such a clause
            is not closed.
        complete: everything that was to run has run.
        aborted: why not, for an aborted run.
        canary: what became of it.
        errors: what failed outside any scenario.
        load: what came of load profiles.
        now: the end of the run, or of what there is of it; default the present.
    """
    ran = tuple(ran)
    evidence: dict[str, list[Evidence]] = {}
    for scenario in ran:
        for result in scenario.results:
            evidence.setdefault(result.clause, []).append(_evidence(result))
    asked = set(selection.clauses)
    missing = absent or {}

    def score(clause: Clause) -> ClauseScore:
        if clause.name not in asked:
            return _score(clause, None, selection.not_asked.get(clause.name, ""), ())
        shown = tuple(evidence.get(clause.name, ()))
        if shown:
            verdict = worst(each.verdict for each in shown)
            if doubt := doubt_of(clause, verdict, _exercises(shown), missing.get(clause.name, "")):
                return _score(clause, Verdict.INCONCLUSIVE, doubt, shown)
            return _score(clause, verdict, reason_of(verdict, shown), shown)
        if clause.name in bound or clause.name in missing:
            reason = f"{NOT_RUN}: {aborted}" if aborted else missing.get(clause.name, NOT_RUN)
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
    """Why a clause is inconclusive although the worst of its scenarios says `verdict`; "" where it is not.

    This is the one place in which the scenarios of a clause are looked at together: all of them ran, and
    each means of the clause was used by one of them.

    Args:
        exercises: of all its scenarios.
        absent: why not every scenario of the clause ran to its end.
    """
    if verdict not in (Verdict.CLOSED, Verdict.NOT_COVERED):
        return ""
    if absent or verdict is Verdict.NOT_COVERED:
        return absent
    return why_lacking(lacking(clause.by, exercises))


def _exercises(shown: Iterable[Evidence]) -> list[Exercise]:
    return [exercise for each in shown for exercise in each.exercises]


def reason_of(verdict: Verdict, shown: Sequence[Evidence]) -> str:
    """The reasons of those scenarios that gave the verdict that counts."""
    return "; ".join(dict.fromkeys(e.reason for e in shown if e.verdict is verdict and e.reason))


def gap_score(gap: Gap | GapScore, clauses: Sequence[ClauseScore]) -> GapScore:
    """A gap with the worst verdict of the clauses asked, and what that verdict rests on."""
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
