"""The book of one run: from what a session reports to scorecards and the lines people see."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from rich.text import Text

from overbooked.catalog import Gap
from overbooked.catalog.selection import Selection
from overbooked.cli.display import Display
from overbooked.cli.interrupted import Refused
from overbooked.cli.progress import Progress
from overbooked.cli.seeded import without_effect
from overbooked.plain_text import clean
from overbooked.reporting.console import canary_text, gap_evidence, gap_line, heading_line
from overbooked.reporting.run_folder import RunFolder
from overbooked.runs.absence import absences
from overbooked.runs.collected import Collected
from overbooked.runs.plan import CANARY
from overbooked.runs.result import TrialResult
from overbooked.verdicts.assembly import ScenarioRun, assemble
from overbooked.verdicts.scorecard import Canary, GapScore, Run, Scorecard
from overbooked.verdicts.verdict import Verdict

# A scorecard is written whole: after every trial, a run would write the square of what it has to say.
WRITE_EVERY_S = 3.0


@dataclass
class RunBook:
    """Hears what a session reports and keeps the scorecard on disk up to date, to a few seconds.

    Args:
        run: what the run is; stack and versions are filled in from the first result.
        selection: gaps and clauses asked.
        canary: the mutant that must come out open; None: switched off.
        folder: where the scorecard goes.
        display: where people see it.
        progress: counts.
        expected: the scenario functions that are written down for each clause.
    """

    run: Run
    selection: Selection
    canary: str | None
    folder: RunFolder
    display: Display
    progress: Progress
    expected: Mapping[str, Sequence[str]] = field(default_factory=dict)
    _trials: dict[tuple[str, str], Collected] = field(default_factory=dict)
    _results: dict[tuple[str, str], TrialResult] = field(default_factory=dict)
    _errors: list[str] = field(default_factory=list)
    _shown: set[str] = field(default_factory=set)
    _theme: str = ""
    _headed: bool = False
    _unwritten: bool = False
    _written_at: float = -math.inf
    _gathered: bool = False
    refusal: Refused | None = None

    # -- events --------------------------------------------------------------------------------

    def collected(self, trials: Mapping[str, Collected]) -> None:
        self._trials = {trial.key: trial for trial in trials.values()}
        self._gathered = True
        self.progress.expect(trials)
        self.display.status(self.progress.sentence())

    def started(self, trial: Collected) -> None:
        self.progress.start(trial)
        self.display.status(self.progress.sentence())
        self.write_when_due()

    def ended(self, result: TrialResult) -> None:
        if result.provisional and result.key in self._results:
            return
        self._results[result.key] = result
        if result.refusal and self.refusal is None:
            self.refusal = Refused(result.refusal, result.refusal_code)
        self._note_stack(result)
        self.progress.end(result)
        self._unwritten = True
        self.write_when_due()
        self._show(result, self.scorecard())
        self.display.status(self.progress.sentence())

    def close(self) -> None:
        """Enter what never ran although it was to: no clause is closed by the scenarios it lacks."""
        for key, trial in self._trials.items():
            if key not in self._results:
                reason = "it was not run: the workers that were to run it died"
                self.ended(TrialResult.broken(trial.scenario, trial.trial, trial.clauses, reason))

    def noticed(self, message: str) -> None:
        self.display.line(Text(message, style="dim"))

    def troubled(self, message: str) -> None:
        if message not in self._errors:
            self._errors.append(message)
            self.display.line(Text(f"error  {clean(message)}", style="yellow"))

    def write_when_due(self, *, now: bool = False) -> None:
        """Write the scorecard if something has changed, at most every `WRITE_EVERY_S` seconds.

        Args:
            now: write what has changed whenever the last time was.
        """
        if self._unwritten and (now or time.monotonic() - self._written_at >= WRITE_EVERY_S):
            self.folder.write(self.scorecard())
            self._unwritten, self._written_at = False, time.monotonic()

    # -- what it knows -------------------------------------------------------------------------

    def scorecard(self, *, complete: bool = False, aborted: str = "") -> Scorecard:
        """The scorecard so far."""
        own = self.own_results()
        bound = {
            clause
            for trial in self._trials.values()
            if trial.trial.variant != CANARY
            for clause in trial.clauses
        }
        return assemble(
            self.run,
            self.selection,
            [_scenario_run(result) for result in own],
            bound=bound,
            absent=self._absent(),
            complete=complete,
            aborted=aborted,
            canary=self._canary(complete=complete),
            errors=self._errors,
        )

    def _absent(self) -> Mapping[str, str]:
        """Why not every scenario of a clause is among those collected; nothing before there were any."""
        there: dict[str, Sequence[str]] = {}
        for trial in self._trials.values():
            if trial.trial.variant != CANARY:
                there[trial.scenario] = trial.family
        return absences(self.expected, there.items()) if self._gathered else {}

    def _canary(self, *, complete: bool) -> Canary | None:
        if self.canary is None:
            return None
        for result in self._results.values():
            if result.trial.variant == CANARY:
                opened = tuple(r.clause for r in result.results if r.verdict is Verdict.OPEN)
                reasons = dict.fromkeys(r.reason for r in result.results if r.reason)
                verdict, reason = (Verdict.OPEN, "") if opened else (result.verdict, "; ".join(reasons))
                if opened and without_effect(result):
                    # What sings has to be the mutant.
                    verdict, reason = Verdict.INCONCLUSIVE, f"{', '.join(opened)} open without it"
                return Canary(self.canary, verdict, opened, reason, result.duration_s)
        if not complete:
            return None
        return Canary(self.canary, Verdict.NOT_COVERED, reason="no scenario judged it")

    def _note_stack(self, result: TrialResult) -> None:
        if result.stack and not self.run.versions:
            self.run = replace(
                self.run, stack=str(result.stack["kind"]), versions=dict(result.stack["versions"])
            )

    def own_results(self) -> list[TrialResult]:
        """What came of the trials so far, the canary's left out."""
        return [result for result in self._results.values() if result.trial.variant != CANARY]

    def spent(self) -> Mapping[str, float]:
        """Seconds by scenario, on the run's own variant."""
        return {
            result.scenario: result.duration_s
            for result in self._results.values()
            if result.trial.variant != CANARY
        }

    # -- what people see -----------------------------------------------------------------------

    def _show(self, result: TrialResult, scorecard: Scorecard) -> None:
        if self.refusal is not None:
            return  # its words are the last and the only ones
        if not self._headed and self.run.versions:
            self._headed = True
            self.display.line(heading_line(scorecard))
        if result.trial.variant == CANARY:
            # One that does not sing is told at the end: until then it may be the stack's fault.
            if result.verdict is Verdict.OPEN:
                self.display.line(canary_text(scorecard))
            return
        for gap in self.selection.gaps:
            if self._whole(gap):
                self._show_gap(scorecard.gap(gap.id), scorecard)

    def show_rest(self, scorecard: Scorecard) -> None:
        """Show what was not shown yet: a silent canary, gaps that never ended or nobody could judge."""
        if scorecard.canary is not None and not scorecard.canary.sings:
            self.display.line(canary_text(scorecard))
        for gap in scorecard.gaps:
            begun = any(clause.evidence for clause in gap.clauses) or gap.verdict is Verdict.INCONCLUSIVE
            if begun or self.selection.narrowed:
                self._show_gap(gap, scorecard)
        silent = len(scorecard.gaps) - len(self._shown)
        if silent:
            noun = "gap has" if silent == 1 else "gaps have"
            self.display.line(Text(f"{silent} {noun} no scenario yet: overbooked list", style="dim"))

    def _whole(self, gap: Gap) -> bool:
        """Whether every trial that judges a clause of the gap has ended, and there was one."""
        names = {clause.name for clause in gap.clauses}
        keys = [
            key
            for key, trial in self._trials.items()
            if trial.trial.variant != CANARY and names.intersection(trial.clauses)
        ]
        return bool(keys) and all(key in self._results for key in keys)

    def _show_gap(self, gap: GapScore, scorecard: Scorecard) -> None:
        if gap.id in self._shown:
            return
        self._shown.add(gap.id)
        if gap.theme != self._theme:
            self._theme = gap.theme
            self.display.line(Text(gap.theme, style="bold"))
        self.display.line(gap_line(gap))
        if evidence := gap_evidence(gap, scorecard):
            self.display.line(evidence)


def _scenario_run(result: TrialResult) -> ScenarioRun:
    return ScenarioRun(
        scenario=result.scenario,
        results=result.results,
        started_at=result.started_at,
        duration_s=result.duration_s,
        logs=result.logs,
        trace=result.trace,
    )
