"""The book of one trial of one scenario: from what was raised to one result a clause."""

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
    SystemDied,
    UsageError,
)
from overbooked.machine import troubles
from overbooked.machine.lag import conditions
from overbooked.plain_text import bounded, clean
from overbooked.plugin.stack_manager import NoStack
from overbooked.runs.mutant_receipts import Counts, MutantReceipt
from overbooked.runs.plan import Trial
from overbooked.runs.result import TrialResult
from overbooked.verdicts.evidence import ClauseResult
from overbooked.verdicts.judge import Judge
from overbooked.verdicts.verdict import Verdict, worst

LOG_LINES = 12
LOG_CHARACTERS = 500  # of one line of a log


class NotConclusive(HarnessError):
    """The scenario came to its end but showed nothing; see the reason of its clauses."""


class RuledOpen(GapFound):
    """The scenario came to its end, and its judge has ruled a clause open."""


@dataclass(slots=True)
class Sitting:
    """Collects what a trial raised in its phases and what its stack logged, and concludes it.

    Args:
        scenario: node id without the trial's own name.
        trial: which variant, and for which time.
        judge: rules on all clauses that the scenario is bound to.
        asked: the clauses the plan asks for; only these get a result.
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
    counts: Counts | None = None  # of the mutant, when the stack was lent
    receipt: MutantReceipt | None = None
    _raised: BaseException | None = None
    _trace: str = ""

    def raised(self, error: BaseException, trace: str = "") -> None:
        """Take what a phase raised; what refuses the run and a death speak loudest, else the first counts."""
        if isinstance(error, NotConclusive | RuledOpen):
            return
        if self._raised is None or _loudness(error) > _loudness(self._raised):
            self._raised, self._trace = error, trace

    @property
    def broke(self) -> bool:
        """Whether a phase has raised what makes every clause inconclusive, or not covered, anyway."""
        return (
            self._raised is not None
            and not isinstance(self._raised, GapFound)
            and not self.judge.open_clauses
        )

    @property
    def found(self) -> bool:
        """Whether a phase has raised a gap, or the judge has ruled one open."""
        return isinstance(self._raised, GapFound) or bool(self.judge.open_clauses)

    @property
    def timed_out(self) -> bool:
        """Whether the scenario was cut off."""
        return isinstance(self._raised, DeadlineExceeded)

    def shortfall(self) -> BaseException | None:
        """What a scenario that came to its end without a word still has to be failed for."""
        results = self._results(None)
        opened = [result for result in results if result.verdict is Verdict.OPEN]
        if opened:
            finding = opened[0].finding
            others = "".join(f"; {r.clause}: {r.reason}" for r in opened[1:])
            return RuledOpen(
                f"{opened[0].clause}: {opened[0].reason}{others}",
                expected=finding.expected if finding else "",
                observed=finding.observed if finding else "",
                operations=finding.operations if finding else (),
            )
        doubtful = [result for result in results if result.verdict is not Verdict.CLOSED]
        if doubtful:
            return NotConclusive("; ".join(f"{r.clause}: {r.reason}" for r in doubtful))
        return None

    def conclude(self) -> TrialResult:
        """One result for every asked clause, with the logs where something is to be explained."""
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
            refusal=_words(self._raised) if isinstance(self._raised, UsageError | NoStack) else "",
            refusal_code=int(getattr(self._raised, "exit_code", ExitCode.INCONCLUSIVE)),
            trace=clean(self._trace[-8000:]) if unhappy and not isinstance(self._raised, GapFound) else "",
        )

    def _of_a_mutant_at_work(self, result: ClauseResult) -> ClauseResult:
        """A mutant that was not there is not judged by what did not show it."""
        if self.receipt is None:
            return result
        result = replace(result, notes={**result.notes, "mutant": self.receipt.as_dict()})
        idle = self.receipt.idle
        if not idle or result.verdict is not Verdict.CLOSED or result.clause not in self.breaks:
            return result
        return replace(result, verdict=Verdict.INCONCLUSIVE, reason=idle)

    def _on_this_machine(self, result: ClauseResult) -> ClauseResult:
        """What this machine did wrong counts for no verdict; what it did is told of what is not closed."""
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


def _loudness(error: BaseException) -> int:
    """The death of a part explains whatever failed before it was noticed."""
    for loudness, kinds in ((3, UsageError | NoStack), (2, SystemDied), (1, PartDied)):
        if isinstance(error, kinds):
            return loudness
    return 0


def _words(error: BaseException) -> str:
    """What an error says, with the end of the log that explains it where it does not quote that itself."""
    said = str(error)
    log = error.log[-LOG_LINES:] if isinstance(error, StackError) else ()
    return "\n".join([said, *(f"  {line}" for line in log if line.strip() and line.strip() not in said)])
