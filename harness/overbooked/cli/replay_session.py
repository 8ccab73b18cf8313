"""Replays a bundle: runs its scenario with a script, which is the recorded schedule or fault plan."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from rich.text import Text

from overbooked.bundles.fingerprints import BundleOutdated
from overbooked.bundles.schema import Bundle
from overbooked.catalog.selection import Selection
from overbooked.cli.commands.race import interleaving_clauses, make_plan
from overbooked.cli.display import Display
from overbooked.cli.exploration_progress import ExplorationProgress
from overbooked.cli.options import ResolvedSettings
from overbooked.cli.replay_outcome import ReplayAttempt, compare_fault_plan, compare_schedule, reason_of
from overbooked.cli.terminal import RunAborted
from overbooked.config import Settings
from overbooked.errors import HarnessError
from overbooked.fault_points.evidence import faulty_trace, plan_of
from overbooked.fault_points.results import SweepResult
from overbooked.recording import RecordedFaults
from overbooked.runs.absence import function_of
from overbooked.runs.collected import CollectedTrial
from overbooked.runs.exploration_options import ExplorationOptions
from overbooked.runs.plan import Plan
from overbooked.runs.result import TrialResult
from overbooked.runs.session import run_session
from overbooked.runs.swept_journeys import swept_journeys
from overbooked.runs.written import written
from overbooked.traces.terminal import LanesOnTerminal
from overbooked.traces.trace import Trace
from overbooked.verdicts.verdict import Verdict


def replay(
    bundle: Bundle, resolved: ResolvedSettings, display: Display, *, times: int, healthy: bool
) -> list[ReplayAttempt]:
    """Run the scenario of a bundle with its script, in this process and on one stack.

    Args:
        times: number of replays.
        healthy: whether to run without the bundle's mutant.

    Raises:
        BundleOutdated: no scenario registers the journey of its fault plan.
        UsageError: the mutant or the stack is not available here.
        KeyboardInterrupt: Ctrl-C was pressed, and the cleanup is complete.
    """
    settings, faults = resolved.settings, bundle.recording.faults
    if faults is None:
        selection = interleaving_clauses(settings.catalog(), bundle.clause, by_any=True)
        options = ExplorationOptions(
            scenario=bundle.scenario,
            clause=bundle.clause,
            race=bundle.recording.race,
            schedule=bundle.recording.schedule,
            scenario_seed=bundle.made.scenario_seed,
            bundles=False,
            orders_commits=bundle.orders_commits,
            orders_begins=bundle.orders_begins,
        )
    else:
        scenario = scenario_of(bundle, faults, settings)
        selection = _clauses_of(scenario, settings)
        options = ExplorationOptions(
            scenario=scenario,
            faults=faults.model_dump(mode="json"),
            scenario_seed=bundle.made.scenario_seed,
            bundles=False,
        )
    with tempfile.TemporaryDirectory(prefix="overbooked-replay-") as folder:
        plan, why = make_plan(resolved, selection, None if healthy else bundle.made.mutant, Path(folder))
        plan = replace(plan, variants=(replace(plan.variants[0], repeats=times),), orders=options)
        script = f"   {plan_of(faults)}" if faults is not None else ""
        display.line(Text(f"{why}{script}", style="dim"))
        return _run(plan, resolved, bundle, display, times)


def scenario_of(bundle: Bundle, faults: RecordedFaults, settings: Settings) -> str:
    """Return the scenario that runs a fault plan: the one that registers its journey.

    Returns:
        The node id of a function, without parameters.

    Raises:
        BundleOutdated: there is no such scenario.
    """
    journeys = swept_journeys(settings.scenarios, settings.root)
    own = bundle.scenario.partition("::")[0]
    found = journeys.get(faults.journey)
    if found is None or not found.scenario:
        raise BundleOutdated(
            f"the bundle no longer fits: no scenario registers the journey {faults.journey!r}; "
            f"there are {', '.join(journeys) or 'none'}"
        )
    return (
        function_of(bundle.scenario) if own and own == found.scenario.partition("::")[0] else found.scenario
    )


def _clauses_of(scenario: str, settings: Settings) -> Selection:
    """Return every clause that a scenario is bound to."""
    catalog = settings.catalog()
    names = [
        name
        for one in written(settings.scenarios, settings.root)
        if one.function == scenario
        for name in one.names
    ]
    clauses = catalog.clauses_of(names)
    gaps = dict.fromkeys(catalog.gap_of(clause.name) for clause in clauses)
    return Selection(tuple(gaps), tuple(clause.name for clause in clauses), narrowed=True)


def _run(
    plan: Plan, resolved: ResolvedSettings, bundle: Bundle, display: Display, times: int
) -> list[ReplayAttempt]:
    progress = ExplorationProgress(display)
    listener = ReplayListener(bundle, progress, display, times)
    ended = run_session(plan, resolved.settings.scenarios, workers=0, listener=listener, watcher=progress)
    if listener.refusal is not None:
        raise listener.refusal
    if ended.interrupted:
        raise KeyboardInterrupt
    if listener.errors and not listener.replays:
        raise HarnessError("; ".join(listener.errors))
    if listener.trace is not None:
        display.line(LanesOnTerminal(listener.trace))
    return listener.replays


@dataclass
class ReplayListener:
    """Compares each trial of a session with the bundle."""

    bundle: Bundle
    progress: ExplorationProgress
    display: Display
    times: int
    replays: list[ReplayAttempt] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    trace: Trace | None = None
    refusal: RunAborted | None = None

    def collected(self, trials: Mapping[str, CollectedTrial]) -> None:
        """Do nothing; there is only one scenario."""

    def started(self, trial: CollectedTrial) -> None:
        self.display.status(f"replay {len(self.replays) + 1} of {self.times}")

    def ended(self, result: TrialResult) -> None:
        if result.refusal:
            self.refusal = self.refusal or RunAborted(result.refusal, result.refusal_code)
        elif self.bundle.recording.faults is not None:
            self._fault_plan_ended(result, self.progress.took_sweep())
        else:
            self._schedule_ended(result)

    def _schedule_ended(self, result: TrialResult) -> None:
        took = self.progress.took()
        for ruled in result.results:
            if ruled.clause == self.bundle.clause:
                self.trace = took[1] if took else self.trace
                self.replays.append(compare_schedule(self.bundle, ruled, took[1] if took else None))

    def _fault_plan_ended(self, result: TrialResult, found: SweepResult | None) -> None:
        died = next((ruled for ruled in result.results if ruled.reason.startswith("PartDied")), None)
        if died is not None:
            self.replays.append(ReplayAttempt(Verdict.INCONCLUSIVE, reason_of(died)))
            return
        if found is None:
            reason = next((reason_of(ruled) for ruled in result.results if ruled.reason), "nothing was run")
            self.replays.append(ReplayAttempt(Verdict.INCONCLUSIVE, reason.removeprefix("HarnessError: ")))
            return
        self.replays.append(compare_fault_plan(self.bundle, found))
        if found.crossed:
            plan, crossed = next(iter(found.crossed.items()))
            self.trace = faulty_trace(plan, crossed)

    def noticed(self, message: str) -> None:
        self.display.line(Text(message, style="dim"))

    def troubled(self, message: str) -> None:
        self.errors.append(message)
        self.display.line(Text(f"error  {message}", style="yellow"))
