"""The state of one running trial: collects raised errors and concludes one result per clause."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from overbooked.errors import (
    DeadlineExceeded,
    ExitCode,
    GapFound,
    HarnessError,
    PartDied,
    StackError,
    StackUnavailable,
    SystemDied,
    UsageError,
)
from overbooked.machine import troubles
from overbooked.machine.lag import conditions
from overbooked.plain_text import bounded, clean
from overbooked.runs.mutant_receipts import MutantReceipt, ReceiptCounts
from overbooked.runs.plan import Trial
from overbooked.runs.result import TrialResult
from overbooked.verdicts.evidence import ClauseResult
from overbooked.verdicts.judge import Judge
from overbooked.verdicts.verdict import Verdict, worst

LOG_LINES = 12
LOG_CHARACTERS = 500  # of one line of a log


class ClauseInconclusive(HarnessError):
    """The scenario ended without proving anything; see the reason of its clauses."""


class ClauseOpen(GapFound):
    """The scenario ended without an exception, but its judge has opened a clause."""


@dataclass(slots=True)
class TrialState:
    """Collects the exceptions of a trial's phases and the logs of its stack, and concludes the trial.

    Args:
        scenario: node id without the trial's name.
        trial: variant and repetition.
        judge: rules on all clauses that the scenario is bound to.
        asked: the clauses that the plan requests; only these get a result.
        breaks: the clauses that the variant's mutant must open.
        family: every scenario of the same function.
    """

    scenario: str
    trial: Trial
    judge: Judge
    asked: tuple[str, ...]
    breaks: tuple[str, ...] = ()
    family: tuple[str, ...] = ()
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    begun: float = field(default_factory=time.monotonic)
    logs: dict[str, list[str]] = field(default_factory=dict)
    log_marks: dict[str, str | None] = field(default_factory=dict)
    stack: dict[str, Any] = field(default_factory=dict)
    receipt_path: str = ""
    counts: ReceiptCounts | None = None  # of the mutant, when the stack was acquired
    receipt: MutantReceipt | None = None
    _raised: BaseException | None = None
    _trace: str = ""

    def raised(self, error: BaseException, trace: str = "") -> None:
        """Record the exception of a phase. A refusal of the run or a dead part overrides the first error."""
        if isinstance(error, ClauseInconclusive | ClauseOpen):
            return
        if self._raised is None or _severity(error) > _severity(self._raised):
            self._raised, self._trace = error, trace

    @property
    def broke(self) -> bool:
        """Whether a phase raised an error that makes every clause inconclusive or not covered."""
        return (
            self._raised is not None
            and not isinstance(self._raised, GapFound)
            and not self.judge.open_clauses
        )

    @property
    def found(self) -> bool:
        """Whether a phase has raised a gap, or the judge has opened a clause."""
        return isinstance(self._raised, GapFound) or bool(self.judge.open_clauses)

    @property
    def timed_out(self) -> bool:
        """Whether the scenario exceeded a time limit."""
        return isinstance(self._raised, DeadlineExceeded)

    def missing_failure(self) -> BaseException | None:
        """Return the exception with which a scenario must fail although it raised none; None if it passes."""
        results = self._results(None)
        opened = [result for result in results if result.verdict is Verdict.OPEN]
        if opened:
            finding = opened[0].finding
            others = "".join(f"; {r.clause}: {r.reason}" for r in opened[1:])
            return ClauseOpen(
                f"{opened[0].clause}: {opened[0].reason}{others}",
                expected=finding.expected if finding else "",
                observed=finding.observed if finding else "",
                operations=finding.operations if finding else (),
            )
        doubtful = [result for result in results if result.verdict is not Verdict.CLOSED]
        if doubtful:
            return ClauseInconclusive("; ".join(f"{r.clause}: {r.reason}" for r in doubtful))
        return None

    def conclude(self) -> TrialResult:
        """Return the result of every requested clause, with logs if a clause is not closed."""
        results = [
            self._on_this_machine(self._of_a_mutant_at_work(result)) for result in self._results(self._raised)
        ]
        receipt = {"receipt": self.receipt.as_dict()} if self.receipt else {}
        unhappy = worst(result.verdict for result in results) is not Verdict.CLOSED
        return TrialResult(
            scenario=self.scenario,
            trial=self.trial,
            results=tuple(results),
            started_at=self.started_at,
            duration_s=(datetime.now(UTC) - self.started_at).total_seconds(),
            family=self.family,
            logs=_explaining(self.logs) if unhappy else {},
            stack={**self.stack, **receipt},
            refusal=_with_log(self._raised)
            if isinstance(self._raised, UsageError | StackUnavailable)
            else "",
            refusal_code=int(getattr(self._raised, "exit_code", ExitCode.INCONCLUSIVE)),
            trace=clean(self._trace[-8000:]) if unhappy and not isinstance(self._raised, GapFound) else "",
        )

    def _of_a_mutant_at_work(self, result: ClauseResult) -> ClauseResult:
        """Make a result inconclusive if the mutant's code did not run in the trial."""
        if self.receipt is None:
            return result
        result = replace(result, notes={**result.notes, "mutant": self.receipt.as_dict()})
        idle = self.receipt.idle
        if not idle or result.verdict is not Verdict.CLOSED or result.clause not in self.breaks:
            return result
        return replace(result, verdict=Verdict.INCONCLUSIVE, reason=idle)

    def _on_this_machine(self, result: ClauseResult) -> ClauseResult:
        """Make a verdict inconclusive if the machine disturbed the trial; note the conditions if not
        closed."""
        excuses = troubles.since(self.begun)
        if result.verdict is not Verdict.CLOSED:
            result = replace(result, notes={**result.notes, "machine": conditions(self.begun)})
        if not excuses or result.verdict not in (Verdict.CLOSED, Verdict.OPEN):
            return result
        notes = dict(result.notes)
        if result.finding is not None:
            notes["found meanwhile"] = {"what": result.finding.what, "observed": result.finding.observed}
        reason = f"not judged: {'; '.join(excuses)}"
        return replace(result, verdict=Verdict.INCONCLUSIVE, reason=reason, notes=notes, finding=None)

    def _results(self, raised: BaseException | None) -> list[ClauseResult]:
        wanted = set(self.asked)
        return [result for result in self.judge.conclude(raised) if result.clause in wanted]


def _explaining(logs: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    return {part: [bounded(clean(line), LOG_CHARACTERS) for line in lines] for part, lines in logs.items()}


def _severity(error: BaseException) -> int:
    """Return the severity of an error; the death of a part explains failures before its detection."""
    for loudness, kinds in ((3, UsageError | StackUnavailable), (2, SystemDied), (1, PartDied)):
        if isinstance(error, kinds):
            return loudness
    return 0


def _with_log(error: BaseException) -> str:
    """Return the message of an error, with the last lines of its log unless the message quotes them."""
    said = str(error)
    log = error.log[-LOG_LINES:] if isinstance(error, StackError) else ()
    return "\n".join([said, *(f"  {line}" for line in log if line.strip() and line.strip() not in said)])
