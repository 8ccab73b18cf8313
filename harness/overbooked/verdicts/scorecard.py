"""The scorecard: all verdicts of one run; every report is made from it.

`docs/scorecard.md` documents the JSON, and `scorecard.schema.json` is its schema.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from overbooked.catalog.model import Means
from overbooked.verdicts.evidence import EXERCISED, Finding, Receipt
from overbooked.verdicts.exercise import Exercise
from overbooked.verdicts.means import said_of
from overbooked.verdicts.run import Canary, Run, Shard
from overbooked.verdicts.verdict import Verdict

__all__ = [
    "NOT_ASKED",
    "SCHEMA_VERSION",
    "Canary",
    "ClauseScore",
    "Evidence",
    "GapScore",
    "LoadScore",
    "Run",
    "ScenarioScore",
    "Scorecard",
    "Shard",
]

SCHEMA_VERSION = 2
NOT_ASKED = "not asked"


@dataclass(frozen=True, slots=True)
class Evidence:
    """The evidence of one scenario for one clause; `injected` and `bit` count its faults."""

    scenario: str
    verdict: Verdict
    reason: str = ""
    counts: Mapping[str, int] = field(default_factory=dict)
    notes: Mapping[str, Any] = field(default_factory=dict)
    injected: int = 0
    bit: int = 0
    finding: Finding | None = None
    duration_s: float = 0.0

    @property
    def exercises(self) -> tuple[Exercise, ...]:
        """The exercises stored in the notes; none in a scorecard of an older release."""
        return tuple(Exercise.from_dict(each) for each in self.notes.get(EXERCISED, ()))

    def as_dict(self) -> dict[str, Any]:
        return {
            "scenario": self.scenario,
            "verdict": self.verdict.value,
            "reason": self.reason,
            "counts": dict(self.counts),
            "notes": dict(self.notes),
            "faults": {"injected": self.injected, "bit": self.bit},
            "finding": self.finding.as_dict() if self.finding else None,
            "duration_s": round(self.duration_s, 3),
        }


@dataclass(frozen=True, slots=True)
class ClauseScore:
    """One clause: its verdict (None: not requested), the reason, and the evidence of each scenario."""

    id: str
    verdict: Verdict | None
    by: tuple[str, ...]
    text: str
    reason: str = ""
    evidence: tuple[Evidence, ...] = ()

    @property
    def asked(self) -> bool:
        return self.verdict is not None

    @property
    def letter(self) -> str:
        return self.id.rpartition(".")[2]

    @property
    def means(self) -> tuple[Means, ...]:
        """The means by which the clause must be shown."""
        return tuple(Means(name) for name in self.by)

    @property
    def exercised(self) -> str:
        """The use of its means, e.g. `51 of 441 fault points`; "" if unknown."""
        return said_of((each for one in self.evidence for each in one.exercises), self.means)

    @property
    def finding(self) -> Finding | None:
        """The first finding, if the clause is open."""
        return next((each.finding for each in self.evidence if each.finding), None)

    def as_dict(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "verdict": self.verdict.value if self.verdict else NOT_ASKED,
            "asked": self.asked,
            "by": list(self.by),
            "text": self.text,
            "reason": self.reason,
            "evidence": [each.as_dict() for each in self.evidence],
        }


@dataclass(frozen=True, slots=True)
class GapScore:
    """One gap: the worst verdict of its requested clauses, and all its clauses."""

    id: str
    title: str
    priority: str
    theme: str
    verdict: Verdict
    clauses: tuple[ClauseScore, ...]
    reason: str = ""
    impact: str = ""

    @property
    def asked(self) -> int:
        """The number of requested clauses."""
        return sum(clause.asked for clause in self.clauses)

    @property
    def total(self) -> int:
        """The number of clauses."""
        return len(self.clauses)

    @property
    def judged(self) -> bool:
        """Whether the gap is closed or open."""
        return self.verdict in (Verdict.CLOSED, Verdict.OPEN)

    @property
    def begun(self) -> bool:
        """Whether a scenario gave a verdict on at least one of its clauses."""
        return any(clause.verdict not in (None, Verdict.NOT_COVERED) for clause in self.clauses)

    def with_verdict(self, verdict: Verdict) -> tuple[ClauseScore, ...]:
        """Return the clauses with this verdict."""
        return tuple(clause for clause in self.clauses if clause.verdict is verdict)

    @property
    def duration_s(self) -> float:
        """The duration of its scenarios in seconds, each counted once."""
        spent = {e.scenario: e.duration_s for clause in self.clauses for e in clause.evidence}
        return sum(spent.values())

    def as_dict(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "title": self.title,
            "priority": self.priority,
            "theme": self.theme,
            "impact": self.impact,
            "verdict": self.verdict.value,
            "reason": self.reason,
            "asked": self.asked,
            "total": self.total,
            "duration_s": round(self.duration_s, 3),
            "clauses": [clause.as_dict() for clause in self.clauses],
        }


@dataclass(frozen=True, slots=True)
class ScenarioScore:
    """The data shared by the clauses of one scenario: time, receipts of faults, logs."""

    id: str
    verdict: Verdict
    started_at: datetime | None = None
    duration_s: float = 0.0
    receipts: tuple[Receipt, ...] = ()
    logs: Mapping[str, Sequence[str]] = field(default_factory=dict)
    trace: str = ""
    attempt: int = 1

    def as_dict(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "attempt": self.attempt,
            "verdict": self.verdict.value,
            "started_at": self.started_at.isoformat() if self.started_at else None,
            "duration_s": round(self.duration_s, 3),
            "logs": {part: list(lines) for part, lines in self.logs.items()},
            "trace": self.trace,
        }


@dataclass(frozen=True, slots=True)
class LoadScore:
    """The result of one load profile.

    Args:
        profile: its name, e.g. `smoke`.
        verdict: closed: objectives and invariants held; inconclusive: the load itself was invalid.
        reason: the reason if it is not closed.
        summary: the load and the measurements, in one line.
        figures: all measurements, JSON-compatible.
        finding: the violated objective or invariant.
        duration_s: duration in seconds.
    """

    profile: str
    verdict: Verdict
    reason: str = ""
    summary: str = ""
    figures: Mapping[str, Any] = field(default_factory=dict)
    finding: Finding | None = None
    duration_s: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        return {
            "profile": self.profile,
            "verdict": self.verdict.value,
            "reason": self.reason,
            "summary": self.summary,
            "figures": dict(self.figures),
            "finding": self.finding.as_dict() if self.finding else None,
            "duration_s": round(self.duration_s, 3),
        }


@dataclass(frozen=True, slots=True)
class Scorecard:
    """All verdicts of one run.

    Args:
        run: the description of the run.
        complete: whether everything requested was run.
        ended_at: the end of the run, or the time of the last write.
        gaps: the gaps, in display order.
        scenarios: the scenarios that ran.
        canary: the verdict of the canary; None if none was judged.
        narrowed: whether gaps were selected, so that it is not the whole catalog.
        aborted: the reason why it is not complete.
        errors: errors outside any scenario, one line each.
        load: the results of load profiles.
    """

    run: Run
    complete: bool
    ended_at: datetime
    gaps: tuple[GapScore, ...]
    scenarios: tuple[ScenarioScore, ...] = ()
    canary: Canary | None = None
    narrowed: bool = False
    aborted: str = ""
    errors: tuple[str, ...] = ()
    load: tuple[LoadScore, ...] = ()

    @property
    def duration_s(self) -> float:
        return (self.ended_at - self.run.started_at).total_seconds()

    def gap(self, gap_id: str) -> GapScore:
        """Return the score of a gap; raise LookupError if the run does not include it."""
        for gap in self.gaps:
            if gap.id == gap_id:
                return gap
        raise LookupError(f"the run {self.run.id} was not asked for {gap_id}")

    def with_verdict(self, verdict: Verdict) -> tuple[GapScore, ...]:
        """Return the gaps with this verdict."""
        return tuple(gap for gap in self.gaps if gap.verdict is verdict)

    @property
    def judged(self) -> tuple[GapScore, ...]:
        """The gaps that are closed or open."""
        return tuple(gap for gap in self.gaps if gap.judged)

    def as_dict(self) -> dict[str, Any]:
        run = self.run
        return {
            "schema_version": SCHEMA_VERSION,
            "run": run.id,
            "complete": self.complete,
            "aborted": self.aborted,
            "started_at": run.started_at.isoformat(),
            "ended_at": self.ended_at.isoformat(),
            "duration_s": round(self.duration_s, 3),
            "seed": run.seed,
            "profile": run.profile,
            "narrowed": self.narrowed,
            "target": run.target,
            "stack": run.stack,
            "workers": run.workers,
            "shard": run.shard.as_dict() if run.shard else None,
            "mutant": run.mutant,
            "options": list(run.options),
            "versions": dict(run.versions),
            "canary": self.canary.as_dict() if self.canary else None,
            "summary": {verdict.value: len(self.with_verdict(verdict)) for verdict in Verdict},
            "gaps": [gap.as_dict() for gap in self.gaps],
            "scenarios": [scenario.as_dict() for scenario in self.scenarios],
            "receipts": [
                {"scenario": scenario.id, "attempt": scenario.attempt, **receipt.as_dict()}
                for scenario in self.scenarios
                for receipt in scenario.receipts
            ],
            "errors": list(self.errors),
            "load": [score.as_dict() for score in self.load],
        }
