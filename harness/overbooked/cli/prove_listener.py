"""The listener of a proof: journals each trial when it ends and shows a line for each variant."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from overbooked.catalog import Catalog
from overbooked.cli.display import Display
from overbooked.cli.progress import Progress
from overbooked.cli.seeded import receipts_of, without_effect
from overbooked.cli.terminal import RunAborted
from overbooked.cli.trial_journal import Journal
from overbooked.reporting.text import seconds
from overbooked.runs.absence import doubts
from overbooked.runs.collected import CollectedTrial
from overbooked.runs.plan import HEALTHY, Plan, Trial
from overbooked.runs.result import TrialResult
from overbooked.verdicts.kill_matrix import Observation
from overbooked.verdicts.verdict import Verdict


@dataclass
class ProofListener:
    """Receives the events of a session and journals every trial.

    Args:
        plan: the plan of the proof.
        catalog: defines which clauses a mutant breaks.
        journal: each trial is appended when it ends.
        display: shows the lines and the status.
        progress: counts the trials.
        earlier: results of the resumed run.
        expected: the scenario functions in the source for each clause.
    """

    plan: Plan
    catalog: Catalog
    journal: Journal
    display: Display
    progress: Progress
    earlier: list[TrialResult] = field(default_factory=list)
    expected: Mapping[str, Sequence[str]] = field(default_factory=dict)
    refusal: RunAborted | None = None
    errors: list[str] = field(default_factory=list)
    versions: Mapping[str, Any] = field(default_factory=dict)
    kind: str = ""
    _waiting: dict[str, set[tuple[str, str]]] = field(default_factory=dict)
    _results: dict[tuple[str, str], TrialResult] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for result in self.earlier:
            self._take(result)

    # -- events --------------------------------------------------------------------------------

    def collected(self, trials: Mapping[str, CollectedTrial]) -> None:
        for trial in trials.values():
            self._waiting.setdefault(trial.trial.variant, set()).add(trial.key)
        self.progress.expect(trials)
        self.display.status(self.progress.sentence())

    def started(self, trial: CollectedTrial) -> None:
        self.progress.start(trial)
        self.display.status(self.progress.sentence())

    def ended(self, result: TrialResult) -> None:
        if result.from_controller and result.key in self._results:
            return
        self._take(result)
        self.journal.append(result)
        if result.refusal and self.refusal is None:
            self.refusal = RunAborted(result.refusal, result.refusal_code)
        self.progress.end(result)
        variant = result.trial.variant
        waiting = self._waiting.get(variant, set())
        if result.key in waiting:
            waiting.discard(result.key)
            if not waiting:
                self._show(variant)
        self.display.status(self.progress.sentence())

    def noticed(self, message: str) -> None:
        self.display.line(Text(message, style="dim"))

    def troubled(self, message: str) -> None:
        if message not in self.errors:
            self.errors.append(message)
            self.display.line(Text(f"error  {message}", style="yellow"))

    def close(self) -> None:
        """Report trials that did not run; a resumed proof runs them."""
        left = sum(len(waiting) for waiting in self._waiting.values())
        if left:
            self.troubled(f"{left} trials did not run: their workers died")

    # -- what it knows -------------------------------------------------------------------------

    def observations(self) -> Iterator[Observation]:
        """Yield every verdict so far."""
        for result in self._results.values():
            variant = self.plan.variant(result.trial.variant)
            for each in result.results:
                verdict, reason = each.verdict, each.reason
                if verdict is Verdict.OPEN and without_effect(result):
                    verdict, reason = Verdict.INCONCLUSIVE, "open, but the mutant's code never ran"
                yield Observation(
                    mutant=variant.mutant,
                    clause=each.clause,
                    repetition=result.trial.repetition,
                    verdict=verdict,
                    reason=reason,
                    duration_s=each.duration_s,
                )
        for (trial, clause), doubt in self._doubts(self._results.values()).items():
            mutant = self.plan.variant(trial.variant).mutant
            yield Observation(mutant, clause, trial.repetition, Verdict.INCONCLUSIVE, doubt)

    def _doubts(self, results: Iterable[TrialResult]) -> Mapping[tuple[Trial, str], str]:
        """Return the clauses that cannot be closed, because a scenario is missing or a means was not used."""
        return doubts(results, self.expected, self.catalog)

    def spent(self) -> Mapping[str, float]:
        """Return the seconds of each scenario on the healthy system."""
        return {r.scenario: r.duration_s for r in self._results.values() if r.trial.variant == HEALTHY}

    def _take(self, result: TrialResult) -> None:
        self._results[result.key] = result
        if result.stack and not self.versions:
            self.versions = dict(result.stack["versions"])
            self.kind = str(result.stack["kind"])

    # -- what people see -----------------------------------------------------------------------

    def _show(self, variant: str) -> None:
        """Show one line for a variant after all its trials have ended."""
        results = [result for result in self._results.values() if result.trial.variant == variant]
        took = seconds(sum(result.duration_s for result in results))
        word, style, more = self._healthy(results) if variant == HEALTHY else self._mutant(variant, results)
        counted = f"{self.progress.done}/{self.progress.total}"
        self.display.line(_row(Text(word, style=style), variant, more, took, counted))

    def _healthy(self, results: list[TrialResult]) -> tuple[str, str, str]:
        found = _healthy(results)
        doubted = dict.fromkeys(clause for _, clause in self._doubts(results))
        if found[0] == "closed" and doubted:
            return "undecided", "yellow", f"inconclusive: {', '.join(doubted)}"
        return found

    def _mutant(self, variant: str, results: list[TrialResult]) -> tuple[str, str, str]:
        mutant = self.catalog.mutant(variant)
        asked = set(self.plan.variant(variant).clauses)
        # A clause is open even if only one of its scenarios finds it violated.
        opened = {
            (result.trial.repetition, each.clause)
            for result in results
            for each in result.results
            if each.verdict is Verdict.OPEN and not without_effect(result)
        }
        repeats = self.plan.variant(variant).repeats
        expected = [clause for clause in mutant.breaks if clause in asked]
        survived = [clause for clause in expected if any((n, clause) not in opened for n in range(repeats))]
        letters = ", ".join(clause.rpartition(".")[2] for clause in expected)
        idle = [receipt.idle for receipt in receipts_of(results)]
        if survived and idle and all(idle):
            return "NEVER RAN", "bold red", f"{', '.join(survived)}: {idle[0].partition(';')[0]}"
        if survived:
            return "SURVIVED", "bold red", f"{', '.join(survived)}: {mutant.text}"
        return "killed", "green", f"{letters}: {mutant.text}"


def _row(word: Text, variant: str, more: str, took: str, counted: str) -> Table:
    row = Table.grid(padding=(0, 2), expand=True)
    row.add_column(width=13, no_wrap=True)
    row.add_column(width=10, no_wrap=True)
    row.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    row.add_column(width=11, no_wrap=True, justify="right")
    row.add_column(width=9, no_wrap=True, justify="right")
    row.add_row(Padding(word, (0, 0, 0, 2)), variant, Text(more), took, counted)
    return row


def _healthy(results: list[TrialResult]) -> tuple[str, str, str]:
    verdicts: dict[str, list[str]] = {}
    for result in results:
        for each in result.results:
            verdicts.setdefault(each.verdict.value, []).append(each.clause)
    if set(verdicts) == {Verdict.CLOSED.value}:
        n = len(set(verdicts["closed"]))
        return "closed", "green", "1 clause, as it should be" if n == 1 else f"{n} clauses, as they should be"
    wrong = [
        f"{verdict}: {', '.join(dict.fromkeys(clauses))}"
        for verdict, clauses in verdicts.items()
        if verdict != Verdict.CLOSED
    ]
    word = "FALSE ALARM" if Verdict.OPEN.value in verdicts else "undecided"
    return word, "bold red" if word == "FALSE ALARM" else "yellow", "; ".join(wrong)
