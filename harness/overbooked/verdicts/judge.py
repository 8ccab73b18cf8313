"""The judge of one scenario: concludes one result per clause from the events of the scenario.

For a scenario bound to one clause, the raised exception determines the verdict. A scenario that judges
several wraps the oracles of each in `with judge("SYS-03.e"):`, so that one open clause does not mask another.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from pathlib import Path
from traceback import extract_tb
from typing import Any

from overbooked.catalog.model import Means
from overbooked.errors import GapFound, HarnessError, NotSupported, PartDied, SystemDied
from overbooked.plain_text import clean, cleaned
from overbooked.recording import Recording
from overbooked.verdicts.evidence import ClauseResult, Finding, Receipt
from overbooked.verdicts.exercise import Exercise
from overbooked.verdicts.means import lacking, why_lacking
from overbooked.verdicts.verdict import SEVERITY, Verdict


@dataclass(slots=True)
class Overheard:
    """The findings of judge blocks that did not rule.

    Args:
        judged: the clauses of the blocks that were entered.
        found: pairs of clause and finding, in order.
    """

    judged: set[str] = field(default_factory=set)
    found: list[tuple[str, GapFound]] = field(default_factory=list)


# Set while a tool of the harness runs a race and makes the rulings itself.
_LISTENER: ContextVar[Overheard | None] = ContextVar("overbooked_listener", default=None)


@contextmanager
def overhearing() -> Iterator[Overheard]:
    """Collect the findings of judge blocks in this task meanwhile, without rulings."""
    overheard = Overheard()
    token = _LISTENER.set(overheard)
    try:
        yield overheard
    finally:
        _LISTENER.reset(token)


class Judge:
    """Collects counts, notes and receipts of one scenario, and rules on its clauses.

    Args:
        clauses: full names of the clauses that the scenario is bound to, e.g. `SYS-03.c`.
        scenario: the scenario's pytest node id.
        by: the means of each clause; the scenario must use at least one of them to close the clause. A
            clause that is missing here needs none.
    """

    def __init__(
        self, clauses: Sequence[str], scenario: str, by: Mapping[str, Sequence[Means]] | None = None
    ) -> None:
        self.clauses = tuple(clauses)
        self.scenario = scenario
        self._started = time.monotonic()
        self._counts: dict[str, int] = {}
        self._notes: dict[str, Any] = {}
        self._receipts: list[Receipt] = []
        self._by = dict(by or {})
        self._exercises: list[tuple[Collection[str], Exercise]] = []
        self._cases = 0
        self._left_out = 0
        self._answered: Callable[[], int] = int
        self._doubt = ""
        self._ruled: dict[str, tuple[Verdict, str, Finding | None]] = {}

    # -- evidence ------------------------------------------------------------------------------

    def count(self, name: str, n: int = 1, *, of: int | None = None) -> None:
        """Add `n` to a count of what was exercised (`rounds`, `examples`, `moments` ...).

        A count that is zero at the end makes every clause of the scenario inconclusive. Counts by a
        scenario are the cases of its matrix; `of`: how many cases there are, if these are a sample.
        """
        self.tally(name, n)
        self._cases += n
        self._left_out += of - n if of is not None else 0

    def tally(self, name: str, n: int = 1) -> None:
        """Add `n` to a count of a harness tool; it is not counted as cases of a matrix."""
        self._counts[name] = self._counts.get(name, 0) + n

    def note(self, name: str, value: Any) -> None:
        """Add a JSON-compatible fact to the evidence, e.g. the detection odds of a burst."""
        self._notes[name] = value

    def receive(self, receipt: Receipt) -> None:
        """Add a fault's receipt; one without effect makes the scenario inconclusive."""
        self._receipts.append(receipt)

    def exercised(self, exercise: Exercise, clauses: Collection[str] = ()) -> None:
        """Record an exercise by a harness tool; the means of a clause are judged by these counts.

        Args:
            exercise: the exercise.
            clauses: the clauses that it was for; default all of the scenario.
        """
        self._exercises.append((clauses or self.clauses, exercise))

    def measured(self, name: str, value: Any) -> None:
        """Add a JSON-compatible measured value to the evidence."""
        self.note(name, value)
        self.exercised(Exercise(Means.MEASURE, 1, subject=name))

    def answered(self, count: Callable[[], int]) -> None:
        """Set the function that counts successful requests to the system; `conclude` calls it."""
        self._answered = count

    def doubts(self, why: str) -> None:
        """Make every clause inconclusive for this reason, e.g. a wrong adapter."""
        self._doubt = self._doubt or why

    # -- rulings -------------------------------------------------------------------------------

    @contextmanager
    def __call__(self, *clauses: str) -> Iterator[None]:
        """Judge clauses by the oracles in the block: a GapFound opens them and no others.

        A race that several scenarios share names the clauses of all of them; only those that this scenario
        is bound to are judged.

        Raises:
            LookupError: the scenario is bound to none of them.
        """
        bound = [clause for clause in clauses if clause in self.clauses]
        if not bound:
            wanted = ", ".join(clauses) or "no clause"
            raise LookupError(f"{self.scenario} judges {', '.join(self.clauses)}, not {wanted}")
        listener = _LISTENER.get()
        if listener is not None:
            listener.judged.update(bound)
        try:
            yield
        except GapFound as gap:
            if listener is not None:
                listener.found.extend((clause, gap) for clause in bound)
                return
            for clause in bound:
                self._rule(clause, Verdict.OPEN, gap.what, _finding(gap))
        else:
            if listener is None:
                for clause in bound:
                    self._rule(clause, Verdict.CLOSED, "", None)

    def finding(self, clause: str) -> Finding | None:
        """Return the finding that opened a clause, if any."""
        ruled = self._ruled.get(clause)
        return ruled[2] if ruled else None

    def explain(self, clause: str, details: Mapping[str, Any], recording: Recording | None = None) -> None:
        """Add details, and a recording if given, to the finding that opened a clause."""
        verdict, reason, finding = self._ruled[clause]
        if finding is not None:
            finding = replace(
                finding,
                details={**finding.details, **cleaned(details)},
                recording=recording or finding.recording,
            )
            self._ruled[clause] = verdict, reason, finding

    @property
    def unruled(self) -> tuple[str, ...]:
        """The clauses without a ruling so far."""
        return tuple(clause for clause in self.clauses if clause not in self._ruled)

    def doubt(self, clause: str, reason: str) -> None:
        """Rule that a clause is inconclusive.

        Tools call this if they end without a result, so that a scenario that catches the error cannot close
        the clause.
        """
        self._rule(clause, Verdict.INCONCLUSIVE, reason, None)

    def _rule(self, clause: str, verdict: Verdict, reason: str, finding: Finding | None) -> None:
        before = self._ruled.get(clause)
        if before is None or SEVERITY.index(verdict) < SEVERITY.index(before[0]):
            self._ruled[clause] = (verdict, reason, finding)

    @property
    def open_clauses(self) -> tuple[str, ...]:
        """The clauses ruled open so far, in the order of the binding."""
        return tuple(c for c in self.clauses if c in self._ruled and self._ruled[c][0] is Verdict.OPEN)

    def conclude(self, raised: BaseException | None) -> tuple[ClauseResult, ...]:
        """Return one result per clause, given the exception of the scenario (None: none).

        OPEN requires that no other part of the stack died. CLOSED requires evidence: at least one count or
        receipt, no count of zero, and no receipt of a fault without effect.
        """
        duration = time.monotonic() - self._started
        vacuous = self._vacuous()
        results = []
        for clause in self.clauses:
            verdict, reason, finding = self._ruling(clause, raised)
            exercises = self._exercises_of(clause)
            ruled = verdict in (Verdict.CLOSED, Verdict.OPEN)
            if self._doubt and ruled and not isinstance(raised, SystemDied):
                verdict, reason, finding = Verdict.INCONCLUSIVE, self._doubt, None
            elif verdict is Verdict.CLOSED and (lack := vacuous or self._unused(clause, exercises)):
                verdict, reason = Verdict.INCONCLUSIVE, lack
            results.append(
                ClauseResult(
                    clause=clause,
                    verdict=verdict,
                    scenario=self.scenario,
                    reason=clean(reason),
                    counts=dict(self._counts),
                    notes=cleaned(self._notes),
                    receipts=tuple(self._receipts),
                    finding=finding,
                    exercises=exercises,
                    duration_s=duration,
                )
            )
        return tuple(results)

    def _exercises_of(self, clause: str) -> tuple[Exercise, ...]:
        """Return the exercises for a clause: by tools, faults, cases and requests."""
        done = [exercise for clauses, exercise in self._exercises if clause in clauses]
        for means in (Means.TOXICS, Means.PROCESS):
            if bit := sum(receipt.bit for receipt in self._receipts if receipt.means == means.value):
                done.append(Exercise(means, bit))
        if self._cases:
            whole = self._cases + self._left_out if self._left_out else None
            done.append(Exercise(Means.MATRIX, self._cases, of=whole))
        if answered := self._answered():
            done.append(Exercise(Means.JOURNEY, answered))
        return tuple(_added_up(done))

    def _unused(self, clause: str, exercises: Sequence[Exercise]) -> str:
        """Return why a scenario has used none of the means of a clause; "" if it has used one."""
        by = self._by.get(clause, ())
        # A single case is accepted here: with the cases of other scenarios there may be enough.
        missing = [means for means in lacking(by, exercises) if means is not Means.MATRIX or not self._cases]
        return why_lacking(missing) if by and len(missing) == len(by) else ""

    def _ruling(self, clause: str, raised: BaseException | None) -> tuple[Verdict, str, Finding | None]:
        ruled = self._ruled.get(clause)
        if isinstance(raised, PartDied):
            # This includes open clauses: without its database every system gives wrong answers.
            return Verdict.INCONCLUSIVE, f"{type(raised).__name__}: {raised}", None
        if ruled and ruled[0] is Verdict.OPEN:
            return ruled
        if isinstance(raised, GapFound):
            # A finding outside a block counts for the clauses without a ruling; a death counts for all.
            if ruled and not isinstance(raised, SystemDied):
                return ruled
            return Verdict.OPEN, raised.what, _finding(raised)
        if isinstance(raised, NotSupported):
            return Verdict.NOT_COVERED, str(raised), None
        if raised is not None:
            # A clause closed before the harness failed may have been closed too early.
            return Verdict.INCONCLUSIVE, f"{type(raised).__name__}: {raised}{_where(raised)}", None
        if ruled:
            return ruled
        if self._ruled:
            return Verdict.INCONCLUSIVE, "the scenario ended without judging this clause", None
        return Verdict.CLOSED, "", None

    def _vacuous(self) -> str:
        zero = [name for name, n in self._counts.items() if n == 0]
        if zero:
            return f"nothing exercised: {', '.join(zero)} ended at 0"
        toothless = [f"{r.fault} on {r.subject}" for r in self._receipts if not r.bit]
        if toothless:
            return f"did not bite: {', '.join(dict.fromkeys(toothless))}"
        if not self._counts and not self._receipts:
            return "no evidence: the scenario counted nothing and injected nothing"
        return ""


def _added_up(exercises: Sequence[Exercise]) -> list[Exercise]:
    """Merge exercises that differ only in their counts."""
    sums: dict[Exercise, Exercise] = {}
    for each in exercises:
        kind = replace(each, done=0, of=None if each.of is None else 0)
        before = sums.get(kind)
        whole = None if each.of is None else each.of + (before.of or 0 if before else 0)
        sums[kind] = replace(each, done=each.done + (before.done if before else 0), of=whole)
    return list(sums.values())


def _where(slip: BaseException) -> str:
    """Return the line of a scenario at which an unexpected error occurred; "" for errors of the harness."""
    if isinstance(slip, HarnessError):
        return ""
    lines = [(Path(frame.filename).name, frame.lineno) for frame in extract_tb(slip.__traceback__)]
    own = [f" ({name}, line {line})" for name, line in lines if name.startswith("test_")]
    return own[-1] if own else ""


def _finding(gap: GapFound) -> Finding:
    return Finding(gap.what, gap.expected, gap.observed, gap.operations, cleaned(gap.details), gap.recording)
