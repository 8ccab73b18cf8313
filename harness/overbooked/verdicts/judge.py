"""The judge of one scenario: turns what happened in it into one result a clause.

A scenario bound to one clause just runs; what it raises decides. A scenario that judges several
wraps the oracle of each in `with judge("SYS-03.e"):` so that one open clause hides no other.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from overbooked.catalog.model import Means
from overbooked.errors import GapFound, NotSupported, PartDied, SystemDied
from overbooked.plain_text import clean, cleaned
from overbooked.verdicts.evidence import ClauseResult, Finding, Receipt
from overbooked.verdicts.exercise import Exercise
from overbooked.verdicts.means import lacking, why_lacking
from overbooked.verdicts.verdict import SEVERITY, Verdict


class Judge:
    """Collects counts, notes and receipts of one scenario, and rules on its clauses.

    Args:
        clauses: full names of the clauses the scenario is bound to, e.g. `SYS-03.c`.
        scenario: the scenario's pytest node id.
        by: the means of each clause; a clause that is closed had at least one of them used here. A
            clause that is not named here is held to none.
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
        self._answered: Callable[[], int] = int
        self._doubt = ""
        self._ruled: dict[str, tuple[Verdict, str, Finding | None]] = {}
        self._overheard: list[tuple[str, GapFound]] | None = None

    # -- evidence ------------------------------------------------------------------------------

    def count(self, name: str, n: int = 1) -> None:
        """Add `n` to a count of what was exercised (`rounds`, `examples`, `moments` ...).

        A count that ends at zero makes every clause of the scenario inconclusive: naming it is a
        promise that it was exercised. What a scenario counts are the cases of its matrix.
        """
        self.tally(name, n)
        self._cases += n

    def tally(self, name: str, n: int = 1) -> None:
        """Add `n` to a count that a tool of the harness keeps; it makes no case of a matrix."""
        self._counts[name] = self._counts.get(name, 0) + n

    def note(self, name: str, value: Any) -> None:
        """Keep a JSON-compatible fact with the evidence, e.g. the detection odds of a burst."""
        self._notes[name] = value

    def receive(self, receipt: Receipt) -> None:
        """Take a fault's receipt; one that did not bite makes the scenario inconclusive."""
        self._receipts.append(receipt)

    def exercised(self, exercise: Exercise, clauses: Collection[str] = ()) -> None:
        """Take what a tool of the harness did; the means of a clause are judged by these counts.

        Args:
            exercise: what it did.
            clauses: those that it was for; default all of the scenario's.
        """
        self._exercises.append((clauses or self.clauses, exercise))

    def measured(self, name: str, value: Any) -> None:
        """Keep a JSON-compatible measured value with the evidence."""
        self.note(name, value)
        self.exercised(Exercise(Means.MEASURE, 1, subject=name))

    def answered(self, count: Callable[[], int]) -> None:
        """Take what counts the requests to the system under test that succeeded, asked when it concludes."""
        self._answered = count

    def doubts(self, why: str) -> None:
        """Say why nothing that this scenario showed counts, neither closed nor open: the adapter is wrong."""
        self._doubt = self._doubt or why

    # -- rulings -------------------------------------------------------------------------------

    @contextmanager
    def __call__(self, clause: str) -> Iterator[None]:
        """Judge one clause by the oracles in the block: a GapFound opens it and nothing else."""
        if clause not in self.clauses:
            raise LookupError(f"{self.scenario} judges {', '.join(self.clauses)}, not {clause}")
        try:
            yield
        except GapFound as gap:
            if self._overheard is not None:
                self._overheard.append((clause, gap))
                return
            self._rule(clause, Verdict.OPEN, gap.what, _finding(gap))
        else:
            if self._overheard is None:
                self._rule(clause, Verdict.CLOSED, "", None)

    @contextmanager
    def overhearing(self) -> Iterator[list[tuple[str, GapFound]]]:
        """What blocks find meanwhile is collected, with its clause, and rules on nothing."""
        before, self._overheard = self._overheard, []
        try:
            yield self._overheard
        finally:
            self._overheard = before

    def finding(self, clause: str) -> Finding | None:
        """What opened a clause so far."""
        ruled = self._ruled.get(clause)
        return ruled[2] if ruled else None

    def explain(self, clause: str, details: Mapping[str, Any]) -> None:
        """Add to the details of what opened a clause."""
        verdict, reason, finding = self._ruled[clause]
        if finding is not None:
            finding = replace(finding, details={**finding.details, **cleaned(details)})
            self._ruled[clause] = verdict, reason, finding

    @property
    def unruled(self) -> tuple[str, ...]:
        """The clauses on which nothing was ruled so far."""
        return tuple(clause for clause in self.clauses if clause not in self._ruled)

    def doubt(self, clause: str, reason: str) -> None:
        """Rule that a clause was shown neither way.

        For means that end without a result, whatever their scenario does with the error: one that is
        caught closes nothing.
        """
        self._rule(clause, Verdict.INCONCLUSIVE, reason, None)

    def _rule(self, clause: str, verdict: Verdict, reason: str, finding: Finding | None) -> None:
        before = self._ruled.get(clause)
        if before is None or SEVERITY.index(verdict) < SEVERITY.index(before[0]):
            self._ruled[clause] = (verdict, reason, finding)

    @property
    def open_clauses(self) -> tuple[str, ...]:
        """The clauses ruled open so far, in the order they are bound."""
        return tuple(c for c in self.clauses if c in self._ruled and self._ruled[c][0] is Verdict.OPEN)

    def conclude(self, raised: BaseException | None) -> tuple[ClauseResult, ...]:
        """One result a clause, given what the scenario raised (None: it came to its end).

        OPEN needs no further evidence, but a stack that stayed whole. CLOSED needs some: at least one
        count or receipt, no count of zero and no receipt that did not bite.
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
        """What was done for a clause: by tools, by the faults in force, by cases and requests."""
        done = [exercise for clauses, exercise in self._exercises if clause in clauses]
        for means in (Means.TOXICS, Means.PROCESS):
            if bit := sum(receipt.bit for receipt in self._receipts if receipt.means == means.value):
                done.append(Exercise(means, bit))
        if self._cases:
            done.append(Exercise(Means.MATRIX, self._cases))
        if answered := self._answered():
            done.append(Exercise(Means.JOURNEY, answered))
        return tuple(_added_up(done))

    def _unused(self, clause: str, exercises: Sequence[Exercise]) -> str:
        """Why a scenario has used none of the means of a clause; "" where it has used one."""
        by = self._by.get(clause, ())
        # One case is little for a matrix; with those of its other scenarios it may be enough.
        missing = [means for means in lacking(by, exercises) if means is not Means.MATRIX or not self._cases]
        return why_lacking(missing) if by and len(missing) == len(by) else ""

    def _ruling(self, clause: str, raised: BaseException | None) -> tuple[Verdict, str, Finding | None]:
        ruled = self._ruled.get(clause)
        if isinstance(raised, PartDied):
            # Also of what was found open: a system whose database has gone answers as no system should.
            return Verdict.INCONCLUSIVE, f"{type(raised).__name__}: {raised}", None
        if ruled and ruled[0] is Verdict.OPEN:
            return ruled
        if isinstance(raised, GapFound):
            # Raised outside any block it speaks for the clauses nobody ruled on; a death for all.
            if ruled and not isinstance(raised, SystemDied):
                return ruled
            return Verdict.OPEN, raised.what, _finding(raised)
        if isinstance(raised, NotSupported):
            return Verdict.NOT_COVERED, str(raised), None
        if raised is not None:
            # What was closed before the harness broke may have been closed too early.
            return Verdict.INCONCLUSIVE, f"{type(raised).__name__}: {raised}", None
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
    """Exercises that differ in nothing but their counts as one."""
    sums: dict[Exercise, Exercise] = {}
    for each in exercises:
        kind = replace(each, done=0, of=None if each.of is None else 0)
        before = sums.get(kind)
        whole = None if each.of is None else each.of + (before.of or 0 if before else 0)
        sums[kind] = replace(each, done=each.done + (before.done if before else 0), of=whole)
    return list(sums.values())


def _finding(gap: GapFound) -> Finding:
    return Finding(gap.what, gap.expected, gap.observed, gap.operations, cleaned(gap.details))
