"""Replays the schedule of a bundle through its scenario, and compares what happens with what is recorded."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from rich.text import Text

from overbooked.bundles.schema import Bundle
from overbooked.cli.commands.race import explored, planned
from overbooked.cli.display import Display
from overbooked.cli.exploration_progress import Watching
from overbooked.cli.interrupted import Refused
from overbooked.cli.options import Said
from overbooked.cli.replay_outcome import Replay
from overbooked.errors import HarnessError
from overbooked.runs.collected import Collected
from overbooked.runs.exploration_options import Orders
from overbooked.runs.plan import Plan
from overbooked.runs.result import TrialResult
from overbooked.runs.session import hold
from overbooked.traces.redaction import Redactor
from overbooked.traces.terminal import LanesOnTerminal
from overbooked.traces.trace import Trace, first_difference
from overbooked.verdicts.evidence import Finding
from overbooked.verdicts.verdict import Verdict


def replayed_schedule(
    bundle: Bundle, said: Said, display: Display, *, times: int, healthy: bool
) -> list[Replay]:
    """Run the schedule so many times on one stack, in this process.

    Args:
        healthy: without the mutant that the bundle names.

    Raises:
        UsageError: the mutant or the stack is not to be had here.
        KeyboardInterrupt: by Ctrl-C; everything that was started is gone.
    """
    selection = explored(said.settings.catalog(), bundle.clause, by_any=True)
    recording = bundle.recording
    with tempfile.TemporaryDirectory(prefix="overbooked-replay-") as folder:
        plan, why = planned(said, selection, None if healthy else bundle.made.mutant, Path(folder))
        plan = replace(
            plan,
            variants=(replace(plan.variants[0], repeats=times),),
            orders=Orders(
                scenario=bundle.scenario,
                clause=bundle.clause,
                race=recording.race,
                schedule=recording.schedule,
                scenario_seed=bundle.made.scenario_seed,
                bundles=False,
                orders_commits=bundle.orders_commits,
            ),
        )
        display.line(Text(why, style="dim"))
        return _held(plan, said, bundle, display, times)


def _held(plan: Plan, said: Said, bundle: Bundle, display: Display, times: int) -> list[Replay]:
    watching = Watching(display)
    listener = _Comparing(bundle, watching, display, times)
    ended = hold(plan, said.settings.scenarios, workers=0, listener=listener, watcher=watching)
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
class _Comparing:
    """Hears what a session reports, and compares each trial with the bundle."""

    bundle: Bundle
    watching: Watching
    display: Display
    times: int
    replays: list[Replay] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    trace: Trace | None = None
    refusal: Refused | None = None

    def collected(self, trials: Mapping[str, Collected]) -> None:
        """Nothing is to be said of it: there is one scenario."""

    def started(self, trial: Collected) -> None:
        self.display.status(f"replay {len(self.replays) + 1} of {self.times}")

    def ended(self, result: TrialResult) -> None:
        if result.refusal:
            self.refusal = self.refusal or Refused(result.refusal, result.refusal_code)
            return
        took = self.watching.took()
        for ruled in result.results:
            if ruled.clause == self.bundle.clause:
                self.trace = took[1] if took else self.trace
                self.replays.append(
                    Replay(
                        verdict=ruled.verdict,
                        reason=_reason(ruled.verdict, ruled.reason),
                        trace_parts=trace_parts(self.bundle, took[1]) if took else "nothing was run",
                        message_parts=message_parts(self.bundle, ruled.finding),
                    )
                )

    def noticed(self, message: str) -> None:
        self.display.line(Text(message, style="dim"))

    def troubled(self, message: str) -> None:
        self.errors.append(message)
        self.display.line(Text(f"error  {message}", style="yellow"))


def _reason(verdict: Verdict, reason: str) -> str:
    words = " ".join(reason.split())
    return "" if verdict is Verdict.CLOSED else words.removeprefix("NothingConcluded: ")


def trace_parts(bundle: Bundle, trace: Trace) -> str:
    """Where a trace parts from the bundle's, in one line; "" where it does not."""
    recording = bundle.recording
    if not recording.steps:
        same = recording.schedule == trace.schedule
        return "" if same else f"wanted the schedule {recording.schedule}, found {trace.schedule}"
    found = Redactor().trace(trace)
    if parting := first_difference(recording.trace.shape, found.shape):
        return parting
    wanted, got = ([actor.answer for actor in one.actors] for one in (recording.trace, found))
    return "" if wanted == got else f"wanted the answers {', '.join(wanted)}, found {', '.join(got)}"


# What an exploration adds to what was observed: which schedule it was, and a name for what it shows.
_WHICH = re.compile(r",? ?(?:schedule \d+, )?\d+ preemptions?: [a-z ]+$")


def message_parts(bundle: Bundle, finding: Finding | None) -> str:
    """What is said otherwise of a finding; "" where it is the same, or there is none."""
    if finding is None:
        return ""
    redactor = Redactor()
    for wanted, found in (
        (bundle.expected.what, finding.what),
        (bundle.expected.expected, finding.expected),
        (_WHICH.sub("", bundle.expected.observed), _WHICH.sub("", finding.observed)),
    ):
        if wanted != redactor.text(found):
            return f"wanted {wanted!r}, found {redactor.text(found)!r}"
    return ""
