"""The scorecard: all verdicts of one run, from which every report is made.

`docs/scorecard.md` explains it to readers of the JSON, `scorecard.schema.json` is its contract.
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
    """What one scenario showed of one clause; `injected` and `bit` count its faults."""

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
        """What each means was used for, as its notes have it; none in a scorecard of an older release."""
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
    """One clause: its verdict (None: not asked), why, and what each scenario showed of it."""

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
        """By which means it is to be shown."""
        return tuple(Means(name) for name in self.by)

    @property
    def exercised(self) -> str:
        """What its means were used for, e.g. `51 of 441 fault points`; "" where nothing is known of it."""
        return said_of((each for one in self.evidence for each in one.exercises), self.means)

    @property
    def finding(self) -> Finding | None:
        """The first thing found wrong, when the clause is open."""
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
    """One gap: the worst verdict of the clauses asked, and all its clauses."""

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
        """How many of its clauses were asked."""
        return sum(clause.asked for clause in self.clauses)

    @property
    def total(self) -> int:
        """How many clauses it has."""
        return len(self.clauses)

    @property
    def judged(self) -> bool:
        """Whether it is known to be closed or open."""
        return self.verdict in (Verdict.CLOSED, Verdict.OPEN)

    @property
    def begun(self) -> bool:
        """Whether a scenario came to a verdict on one of its clauses, whatever became of the others."""
        return any(clause.verdict not in (None, Verdict.NOT_COVERED) for clause in self.clauses)

    def with_verdict(self, verdict: Verdict) -> tuple[ClauseScore, ...]:
        """The clauses of one verdict."""
        return tuple(clause for clause in self.clauses if clause.verdict is verdict)

    @property
    def duration_s(self) -> float:
        """Seconds its scenarios took, each counted once."""
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
    """What the clauses of one scenario share: when it ran, its faults' receipts and the logs."""

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
    """What came of one load profile.

    Args:
        profile: its name, e.g. `smoke`.
        verdict: closed: objectives and invariants held; inconclusive: the load itself was invalid.
        reason: why it is not closed.
        summary: what was done and measured, in one line.
        figures: everything measured, JSON-compatible.
        finding: the objective or invariant that did not hold.
        duration_s: how long it took.
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
        run: what it was.
        complete: everything asked was run; an aborted run is never mistaken for a result.
        ended_at: when it ended, or when it was last written.
        gaps: in the order they are shown.
        scenarios: those that ran.
        canary: what became of it; None when none was judged.
        narrowed: somebody chose the gaps; it is not the whole catalog.
        aborted: why it is not complete.
        errors: what failed outside any scenario, one line each.
        load: what came of load profiles.
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
        """Raises LookupError: the run was not asked for this gap."""
        for gap in self.gaps:
            if gap.id == gap_id:
                return gap
        raise LookupError(f"the run {self.run.id} was not asked for {gap_id}")

    def with_verdict(self, verdict: Verdict) -> tuple[GapScore, ...]:
        """The gaps of one verdict."""
        return tuple(gap for gap in self.gaps if gap.verdict is verdict)

    @property
    def judged(self) -> tuple[GapScore, ...]:
        """The gaps known to be closed or open."""
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
