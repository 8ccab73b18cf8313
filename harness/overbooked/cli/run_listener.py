"""The listener of a run: converts a session's events to scorecards and events for the reports."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from rich.text import Text

from overbooked.catalog import Gap
from overbooked.catalog.selection import Selection
from overbooked.cli.display import Display
from overbooked.cli.progress import Progress
from overbooked.cli.seeded import without_effect
from overbooked.cli.terminal import RunAborted
from overbooked.cli.trial_journal import JOURNAL, Journal
from overbooked.reporting.reports import CanaryJudged, ErrorReported, GapJudged, Reports, RunStarted
from overbooked.reporting.run_folder import RunFolder
from overbooked.runs.absence import absences
from overbooked.runs.collected import CollectedTrial, OtherScenario, read_elsewhere
from overbooked.runs.plan import CANARY
from overbooked.runs.result import TrialResult
from overbooked.verdicts.assembly import ScenarioRun, assemble
from overbooked.verdicts.run import IN_PART
from overbooked.verdicts.scorecard import Canary, Run, Scorecard
from overbooked.verdicts.verdict import Verdict

# Minimum interval between writes: each writes the whole scorecard, so one per trial would take quadratic
# time.
WRITE_EVERY_S = 3.0
# Maximum share of its time that a run spends on writing intermediate scorecards.
WRITE_SHARE = 0.0002


@dataclass
class RunListener:
    """Receives the events of a session and updates the scorecard on disk every few seconds.

    Args:
        run: the description of the run; stack and versions are set from the first result.
        selection: the requested gaps and clauses.
        canary: the mutant that must be detected as open; None: switched off.
        folder: the folder of the scorecard.
        display: shows the progress and notices.
        reports: receive an event for each judged gap and the canary.
        progress: counts the trials.
        expected: the scenario functions in the source for each clause.
    """

    run: Run
    selection: Selection
    canary: str | None
    folder: RunFolder
    display: Display
    reports: Reports
    progress: Progress
    expected: Mapping[str, Sequence[str]] = field(default_factory=dict)
    _trials: dict[tuple[str, str], CollectedTrial] = field(default_factory=dict)
    _results: dict[tuple[str, str], TrialResult] = field(default_factory=dict)
    _errors: list[str] = field(default_factory=list)
    _judged: set[str] = field(default_factory=set)
    _started: bool = False
    _unwritten: bool = False
    _written_at: float = -math.inf
    _write_took_s: float = 0.0
    _elsewhere: tuple[OtherScenario, ...] = ()
    _gathered: bool = False
    refusal: RunAborted | None = None

    def __post_init__(self) -> None:
        self._journal = Journal(self.folder.path / JOURNAL)

    # -- events --------------------------------------------------------------------------------

    def collected(self, trials: Mapping[str, CollectedTrial]) -> None:
        self._trials = {trial.key: trial for trial in trials.values()}
        self._gathered = True
        self._note_shard()
        self.progress.expect(trials)
        self.display.status(self.progress.sentence())

    def started(self, trial: CollectedTrial) -> None:
        self.progress.start(trial)
        self.display.status(self.progress.sentence())
        self.write_when_due()

    def ended(self, result: TrialResult) -> None:
        if result.from_controller and result.key in self._results:
            return
        self._results[result.key] = result
        self._journal.append(result)
        if result.refusal and self.refusal is None:
            self.refusal = RunAborted(result.refusal, result.refusal_code)
        self._note_stack(result)
        self.progress.end(result)
        self._unwritten = True
        self.write_when_due()
        self._publish(result)
        self.display.status(self.progress.sentence())

    def close(self) -> None:
        """Record trials that did not run as failed, so that their clauses are not closed."""
        for key, trial in self._trials.items():
            if key not in self._results:
                reason = "it was not run: its workers died"
                self.ended(TrialResult.failed(trial.scenario, trial.trial, trial.clauses, reason))

    def noticed(self, message: str) -> None:
        self.display.line(Text(message, style="dim"))

    def troubled(self, message: str) -> None:
        if message not in self._errors:
            self._errors.append(message)
            self.reports.publish(ErrorReported(message))

    def write_when_due(self, *, now: bool = False) -> None:
        """Write the scorecard if something has changed, at most every `WRITE_EVERY_S` seconds.

        A large scorecard is written less often: writing takes at most `WRITE_SHARE` of the run's time. No
        result is lost, because every trial is in the journal.

        Args:
            now: write changes regardless of the last write.
        """
        begun = time.monotonic()
        wait_s = max(WRITE_EVERY_S, self._write_took_s / WRITE_SHARE)
        if self._unwritten and (now or begun - self._written_at >= wait_s):
            self.folder.write(self.scorecard())
            self._unwritten, self._written_at = False, time.monotonic()
            self._write_took_s = self._written_at - begun

    # -- what it knows -------------------------------------------------------------------------

    def scorecard(self, *, complete: bool = False, aborted: str = "") -> Scorecard:
        """Return the scorecard so far."""
        own = self.own_results()
        bound = {
            clause
            for trial in self._trials.values()
            if trial.trial.variant != CANARY
            for clause in trial.clauses
        }
        bound.update(clause for other in self._elsewhere for clause in other.clauses)
        return assemble(
            self.run,
            self.selection,
            [_scenario_run(result) for result in own],
            bound=bound,
            absent=self._absent(),
            in_part=self._in_part(),
            complete=complete,
            aborted=aborted,
            canary=self._canary(complete=complete),
            errors=self._errors,
        )

    def _absent(self) -> Mapping[str, str]:
        """Return the clauses with a scenario that was not collected, with the reason; empty before
        collection."""
        there: dict[str, Sequence[str]] = {}
        for trial in self._trials.values():
            if trial.trial.variant != CANARY:
                there[trial.scenario] = trial.family
        for other in self._elsewhere:
            there[other.scenario] = other.family
        return absences(self.expected, there.items()) if self._gathered else {}

    def _note_shard(self) -> None:
        """Add the scenarios of each clause in all shards to the run."""
        if self.run.shard is None:
            return
        self._elsewhere = read_elsewhere(self.folder.path)
        here = [
            (trial.scenario, trial.clauses)
            for trial in self._trials.values()
            if trial.trial.variant != CANARY
        ]
        scenarios: dict[str, list[str]] = {}
        for scenario, clauses in sorted([*here, *((one.scenario, one.clauses) for one in self._elsewhere)]):
            for clause in clauses:
                scenarios.setdefault(clause, []).append(scenario)
        known = {clause: tuple(names) for clause, names in sorted(scenarios.items())}
        self.run = replace(self.run, shard=replace(self.run.shard, scenarios=known))

    def _in_part(self) -> Mapping[str, str]:
        """Return the clauses that this shard alone cannot close, as other shards have scenarios, with the
        reason."""
        shard = self.run.shard
        if shard is None:
            return {}
        elsewhere = {one.scenario for one in self._elsewhere}
        index, of = shard.present[0], shard.of
        found: dict[str, str] = {}
        for clause, names in shard.scenarios.items():
            here = sum(name not in elsewhere for name in names)
            if here < len(names):
                found[clause] = (
                    f"{IN_PART}shard {index}/{of} has {here} of {len(names)} scenarios; merge the shards "
                    "with `overbooked report RUN RUN ...`"
                )
        return found

    def _canary(self, *, complete: bool) -> Canary | None:
        if self.canary is None:
            return None
        for result in self._results.values():
            if result.trial.variant == CANARY:
                opened = tuple(r.clause for r in result.results if r.verdict is Verdict.OPEN)
                reasons = dict.fromkeys(r.reason for r in result.results if r.reason)
                verdict, reason = (Verdict.OPEN, "") if opened else (result.verdict, "; ".join(reasons))
                if opened and without_effect(result):
                    # The clause must have been opened by the mutant's code.
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
        """Return the results of the trials so far, without the canary's."""
        return [result for result in self._results.values() if result.trial.variant != CANARY]

    def spent(self) -> Mapping[str, float]:
        """Return the seconds of each scenario on the run's own variant."""
        return {
            result.scenario: result.duration_s
            for result in self._results.values()
            if result.trial.variant != CANARY
        }

    # -- events for the reports ----------------------------------------------------------------

    def _publish(self, result: TrialResult) -> None:
        if self.refusal is not None:
            return  # the command reports only why the run was refused
        starts = not self._started and bool(self.run.versions)
        canary = result.trial.variant == CANARY
        ended = [] if canary else self._ended_by(result)
        if not (starts or canary or ended):
            return  # building a scorecard after each of many trials is expensive
        scorecard = self.scorecard()
        if starts:
            self._started = True
            self.reports.publish(RunStarted(scorecard))
        if result.trial.variant == CANARY:
            self.reports.publish(CanaryJudged(scorecard))
            return
        for gap in ended:
            self._judged.add(gap.id)
            self.reports.publish(GapJudged(scorecard.gap(gap.id), scorecard))

    def _ended_by(self, result: TrialResult) -> list[Gap]:
        """Return the gaps whose last trial this was."""
        judged = {each.clause.rpartition(".")[0] for each in result.results}
        return [
            gap
            for gap in self.selection.gaps
            if gap.id in judged and gap.id not in self._judged and self._whole(gap)
        ]

    def _whole(self, gap: Gap) -> bool:
        """Return whether the gap has trials and all of them have ended."""
        names = {clause.name for clause in gap.clauses}
        keys = [
            key
            for key, trial in self._trials.items()
            if trial.trial.variant != CANARY and names.intersection(trial.clauses)
        ]
        return bool(keys) and all(key in self._results for key in keys)


def _scenario_run(result: TrialResult) -> ScenarioRun:
    return ScenarioRun(
        scenario=result.scenario,
        results=result.results,
        started_at=result.started_at,
        duration_s=result.duration_s,
        logs=result.logs,
        trace=result.trace,
    )
