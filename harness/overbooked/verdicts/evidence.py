"""The evidence of a verdict: counts of what was exercised, receipts of faults, the finding."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from overbooked.recording import Recording
from overbooked.verdicts.exercise import Exercise
from overbooked.verdicts.verdict import Verdict

# Key of the exercises in the notes of a scorecard's evidence.
EXERCISED = "exercised"


@dataclass(frozen=True, slots=True)
class Receipt:
    """Proof that a fault was active, and whether it had an effect.

    `messages` and `bytes` count the traffic on the link while the fault was active (0 for a process fault,
    whose `effect` has other measurements). Times are seconds since the start of the scenario. `bit` is
    whether the fault had an effect. `means` is the means that the fault belongs to; a judge counts by it, and
    a scorecard does not contain it.
    """

    fault: str
    subject: str
    started_s: float
    ended_s: float
    messages: int = 0
    bytes: int = 0
    effect: Mapping[str, Any] = field(default_factory=dict)
    bit: bool = False
    means: str = ""

    def as_dict(self) -> dict[str, Any]:
        return {
            "fault": self.fault,
            "subject": self.subject,
            "started_s": round(self.started_s, 4),
            "ended_s": round(self.ended_s, 4),
            "messages": self.messages,
            "bytes": self.bytes,
            "effect": dict(self.effect),
            "bit": self.bit,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Receipt:
        return cls(**data)


@dataclass(frozen=True, slots=True)
class Finding:
    """The finding of an open clause: one violated invariant with the operations involved.

    Args:
        recording: the schedule or fault plan that shows it. It is written as a replay bundle and is not part
            of the JSON.
    """

    what: str
    expected: str = ""
    observed: str = ""
    operations: tuple[str, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)
    recording: Recording | None = None

    def as_dict(self) -> dict[str, Any]:
        return {
            "what": self.what,
            "expected": self.expected,
            "observed": self.observed,
            "operations": list(self.operations),
            "details": dict(self.details),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Finding:
        return cls(**{**data, "operations": tuple(data["operations"])})


@dataclass(frozen=True, slots=True)
class ClauseResult:
    """The verdict of one scenario on one clause, with its evidence."""

    clause: str
    verdict: Verdict
    scenario: str
    reason: str = ""
    counts: Mapping[str, int] = field(default_factory=dict)
    notes: Mapping[str, Any] = field(default_factory=dict)
    receipts: tuple[Receipt, ...] = ()
    finding: Finding | None = None
    exercises: tuple[Exercise, ...] = ()
    duration_s: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        return {
            "clause": self.clause,
            "verdict": self.verdict.value,
            "scenario": self.scenario,
            "reason": self.reason,
            "counts": dict(self.counts),
            "notes": dict(self.notes),
            "receipts": [receipt.as_dict() for receipt in self.receipts],
            "finding": self.finding.as_dict() if self.finding else None,
            "exercises": [exercise.as_dict() for exercise in self.exercises],
            "duration_s": round(self.duration_s, 3),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ClauseResult:
        """Return the result that `as_dict` converted; workers send results in this form."""
        finding = data["finding"]
        return cls(
            **{
                **data,
                "verdict": Verdict(data["verdict"]),
                "receipts": tuple(Receipt.from_dict(receipt) for receipt in data["receipts"]),
                "finding": Finding.from_dict(finding) if finding else None,
                "exercises": tuple(Exercise.from_dict(each) for each in data.get("exercises", ())),
            }
        )
