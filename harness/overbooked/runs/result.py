"""The result of one trial, sent from worker to controller as one line of JSON."""

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

PROPERTY = "overbooked"  # name of the user property of a report that carries a result


@dataclass(frozen=True, slots=True)
class TrialResult:
    """The result of one trial.

    Args:
        scenario: node id without the trial's name.
        trial: variant and repetition.
        results: one for each requested clause.
        started_at: the start, timezone-aware.
        duration_s: duration in seconds, setup and teardown included.
        family: every scenario of the same function, before any deselection.
        logs: the last log lines of each process during the scenario.
        stack: kind and versions of the stack.
        trace: the traceback, if the harness failed.
        refusal: the reason to end the whole run (a host is not allowed, no stack starts).
        refusal_code: the exit code of such a run.
        from_controller: whether the controller made it for a dead worker; a later result replaces it.
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
    from_controller: bool = False

    @property
    def key(self) -> tuple[str, str]:
        """Identifies the trial: scenario and trial id."""
        return self.scenario, self.trial.id

    @property
    def verdict(self) -> Verdict:
        """The worst verdict of the trial's clauses."""
        return worst(result.verdict for result in self.results)

    @classmethod
    def failed(cls, scenario: str, trial: Trial, clauses: Sequence[str], reason: str) -> TrialResult:
        """Return the result of a trial whose worker died."""
        results = Judge(clauses, scenario).conclude(HarnessError(reason))
        return cls(
            scenario=scenario,
            trial=trial,
            results=tuple(replace(result, reason=reason) for result in results),
            started_at=datetime.now(UTC),
            from_controller=True,
        )

    def encode(self) -> str:
        """Return one line of JSON; data shared by the clauses is stored once."""
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
            "provisional": self.from_controller,
        }
        return json.dumps(data, default=str, separators=(",", ":"))

    @classmethod
    def decode(cls, line: str) -> TrialResult:
        """Parse a result from `encode`."""
        data = json.loads(line)
        trial = Trial(data.pop("variant"), data.pop("repetition"))
        receipts = tuple(Receipt(**receipt) for receipt in data.pop("receipts"))
        results = tuple(_result(each, receipts) for each in data.pop("results"))
        started_at = datetime.fromisoformat(data.pop("started_at"))
        family = tuple(data.pop("family", ()))
        provisional = data.pop("provisional", False)
        return cls(
            trial=trial,
            results=results,
            started_at=started_at,
            family=family,
            from_controller=provisional,
            **data,
        )


def _result(data: dict[str, Any], receipts: tuple[Receipt, ...]) -> ClauseResult:
    return replace(ClauseResult.from_dict(data), receipts=receipts)
