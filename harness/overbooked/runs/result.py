"""What came of one trial, and how it travels: as one line of JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from overbooked.errors import ExitCode, HarnessError
from overbooked.runs.plan import Trial
from overbooked.verdicts.evidence import ClauseResult, Receipt
from overbooked.verdicts.judge import Judge
from overbooked.verdicts.verdict import Verdict, worst

PROPERTY = "overbooked"  # the name under which a result travels in a report's user properties


@dataclass(frozen=True, slots=True)
class TrialResult:
    """What came of one trial.

    Args:
        scenario: node id without the trial's own name.
        trial: which variant, and for which time.
        results: one for each clause asked.
        started_at: when, aware.
        duration_s: seconds, setup and teardown included.
        family: every scenario of the same function, before anything could deselect one.
        logs: last lines by process, of the scenario's time.
        stack: what the stack was made of: its kind and versions.
        trace: where the harness broke, when it did.
        refusal: why the run cannot go on at all (a host not allowed, no stack that starts).
        refusal_code: the exit code of such a run.
        provisional: somebody else spoke for it; a later result of the same trial replaces it.
    """

    scenario: str
    trial: Trial
    results: tuple[ClauseResult, ...]
    started_at: datetime
    duration_s: float = 0.0
    family: tuple[str, ...] = ()
    logs: Mapping[str, Sequence[str]] = field(default_factory=dict)
    stack: Mapping[str, Any] = field(default_factory=dict)
    trace: str = ""
    refusal: str = ""
    refusal_code: int = int(ExitCode.USAGE)
    provisional: bool = False

    @property
    def key(self) -> tuple[str, str]:
        """What makes it one and no other: scenario and trial id."""
        return self.scenario, self.trial.id

    @property
    def verdict(self) -> Verdict:
        """The worst verdict of the trial's clauses."""
        return worst(result.verdict for result in self.results)

    @classmethod
    def broken(cls, scenario: str, trial: Trial, clauses: Sequence[str], reason: str) -> TrialResult:
        """The result of a trial that could not speak for itself: its worker died."""
        results = Judge(clauses, scenario).conclude(HarnessError(reason))
        return cls(
            scenario=scenario,
            trial=trial,
            results=tuple(replace(result, reason=reason) for result in results),
            started_at=datetime.now(UTC),
            provisional=True,
        )

    def encode(self) -> str:
        """One line of JSON; what the clauses share stands in it once."""
        receipts = self.results[0].receipts if self.results else ()
        data = {
            "scenario": self.scenario,
            "variant": self.trial.variant,
            "repetition": self.trial.repetition,
            "results": [{**result.as_dict(), "receipts": []} for result in self.results],
            "receipts": [receipt.as_dict() for receipt in receipts],
            "started_at": self.started_at.isoformat(),
            "duration_s": round(self.duration_s, 3),
            "family": list(self.family),
            "logs": {name: list(lines) for name, lines in self.logs.items()},
            "stack": dict(self.stack),
            "trace": self.trace,
            "refusal": self.refusal,
            "refusal_code": self.refusal_code,
            "provisional": self.provisional,
        }
        return json.dumps(data, default=str, separators=(",", ":"))

    @classmethod
    def decode(cls, line: str) -> TrialResult:
        """The result that `encode` wrote."""
        data = json.loads(line)
        trial = Trial(data.pop("variant"), data.pop("repetition"))
        receipts = tuple(Receipt(**receipt) for receipt in data.pop("receipts"))
        results = tuple(_result(each, receipts) for each in data.pop("results"))
        started_at = datetime.fromisoformat(data.pop("started_at"))
        family = tuple(data.pop("family", ()))
        return cls(trial=trial, results=results, started_at=started_at, family=family, **data)


def _result(data: dict[str, Any], receipts: tuple[Receipt, ...]) -> ClauseResult:
    return replace(ClauseResult.from_dict(data), receipts=receipts)
