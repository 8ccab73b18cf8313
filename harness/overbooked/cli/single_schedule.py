"""Runs, draws and judges one schedule of a race; the result does not count as an exploration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from rich.padding import Padding
from rich.text import Text

from overbooked.cli.display import Display
from overbooked.cli.exploration_progress import ExplorationProgress
from overbooked.cli.options import ResolvedSettings
from overbooked.cli.terminal import RunAborted
from overbooked.errors import ExitCode, HarnessError
from overbooked.reporting.console import finding_text
from overbooked.runs.collected import CollectedTrial
from overbooked.runs.plan import Plan
from overbooked.runs.result import TrialResult
from overbooked.runs.session import run_session
from overbooked.traces.terminal import LanesOnTerminal
from overbooked.traces.trace import Trace
from overbooked.verdicts.evidence import ClauseResult
from overbooked.verdicts.verdict import SEVERITY, Verdict

CODES = {
    Verdict.OPEN: ExitCode.OPEN,
    Verdict.INCONCLUSIVE: ExitCode.INCONCLUSIVE,
    Verdict.NOT_COVERED: ExitCode.TOO_FEW,
    Verdict.CLOSED: ExitCode.SATISFIED,
}


@dataclass
class SingleScheduleListener:
    """Receives the events of a session that runs one schedule."""

    display: Display
    ruled: ClauseResult | None = None
    scenario: str = ""
    refusal: RunAborted | None = None
    errors: list[str] = field(default_factory=list)

    def collected(self, trials: Mapping[str, CollectedTrial]) -> None:
        """Show the scenario."""
        for trial in trials.values():
            self.scenario = trial.scenario
            self.display.line(Text(trial.scenario, style="dim"))

    def started(self, trial: CollectedTrial) -> None:
        self.display.status(trial.scenario)

    def ended(self, result: TrialResult) -> None:
        if result.refusal:
            self.refusal = RunAborted(result.refusal, result.refusal_code)
        elif result.results:
            self.ruled = min(result.results, key=lambda each: SEVERITY.index(each.verdict))

    def noticed(self, message: str) -> None:
        self.display.line(Text(message, style="dim"))

    def troubled(self, message: str) -> None:
        self.errors.append(message)
        self.display.line(Text(f"error  {message}", style="yellow"))


def run_single_schedule(
    plan: Plan, said: ResolvedSettings, watching: ExplorationProgress, display: Display
) -> tuple[int, dict[str, Any]]:
    """Run the one schedule that a plan requests, and show it.

    Returns:
        The exit code and the result, JSON-compatible.

    Raises:
        HarnessError: the schedule cannot be run, or no scenario explores the named clauses.
        KeyboardInterrupt: Ctrl-C was pressed, and the cleanup is complete.
    """
    heard = SingleScheduleListener(display)
    ended = run_session(plan, said.settings.scenarios, workers=0, listener=heard, watcher=watching)
    if heard.refusal is not None:
        raise heard.refusal
    if ended.interrupted:
        raise KeyboardInterrupt
    if heard.ruled is None:
        raise HarnessError("; ".join(heard.errors) or "no scenario explores what was named: overbooked list")
    ran = watching.took()
    schedule: tuple[int, ...] = ()
    if ran is not None:
        schedule = _drawn(ran, display)
    _verdict(heard.ruled, display)
    document = {
        "run": plan.run,
        "seed": plan.seed,
        "mutant": plan.variants[0].mutant,
        "scenario": heard.scenario,
        "race": ran[0] if ran else "",
        "schedule": list(schedule),
        "found": heard.ruled.finding.as_dict() if heard.ruled.finding else None,
        "reason": heard.ruled.reason,
        "clause": heard.ruled.clause,
    }
    return CODES[heard.ruled.verdict], document


def _drawn(ran: tuple[str, Trace], display: Display) -> tuple[int, ...]:
    race, trace = ran
    display.line(Text(f"{race}   --schedule {','.join(map(str, trace.schedule))}", style="dim"))
    display.line(LanesOnTerminal(trace))
    return trace.schedule


def _verdict(ruled: ClauseResult, display: Display) -> None:
    if ruled.verdict is Verdict.CLOSED:
        display.line(
            Text(f"{ruled.clause}: this order breaks nothing; one order proves nothing about others")
        )
    elif ruled.finding is None:
        display.line(Text(f"{ruled.clause} {ruled.verdict}: {ruled.reason}", style="yellow"))
    else:
        # The lanes were already printed above in the width of the terminal.
        details = {name: value for name, value in ruled.finding.details.items() if name != "lanes"}
        finding = replace(ruled.finding, details=details, operations=())
        display.line(Text(f"{ruled.clause} {ruled.verdict.value.upper()} under this order", style="bold red"))
        display.line(Padding(finding_text("", finding, ""), (0, 0, 0, 2), expand=False))
