"""The results of replays: how each compares with its bundle, the exit code and the sentences about them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from overbooked.bundles.schema import Bundle
from overbooked.errors import ExitCode, GapFound
from overbooked.fault_points.evidence import faulty_trace
from overbooked.fault_points.results import SweepResult
from overbooked.interleavings.anomalies import Anomaly
from overbooked.traces.recorded import trace_of
from overbooked.traces.redaction import Redactor
from overbooked.traces.trace import Trace, first_difference
from overbooked.verdicts.evidence import ClauseResult, Finding
from overbooked.verdicts.verdict import Verdict

# What an exploration appends to the observation: the number of the schedule, its preemptions, the anomaly.
_WHICH = re.compile(
    rf",? ?(?:schedule \d+, )?(?:\d+ preemptions?: )?(?:{'|'.join(re.escape(one.value) for one in Anomaly)})$"
)


@dataclass(frozen=True, slots=True)
class ReplayAttempt:
    """The result of one replay.

    Args:
        verdict: the verdict on the bundle's clause.
        reason: the reason if it is not closed.
        trace_parts: the first difference from the recorded trace; "" if there is none.
        message_parts: the first difference from the recorded finding; "" if there is none.
    """

    verdict: Verdict
    reason: str = ""
    trace_parts: str = ""
    message_parts: str = ""

    @property
    def as_recorded(self) -> bool:
        """Whether the replay matches the bundle."""
        return self.verdict is Verdict.OPEN and not self.trace_parts and not self.message_parts


@dataclass(frozen=True, slots=True)
class ReplaySummary:
    """The result of all replays of a bundle: the exit code and what is shown."""

    code: ExitCode
    lines: tuple[str, ...]
    replays: tuple[ReplayAttempt, ...] = ()

    def as_dict(self, file: Path, changed: Sequence[str]) -> Mapping[str, Any]:
        """Return the summary, JSON-compatible.

        Args:
            file: the file of the bundle.
            changed: what has changed since the bundle was made, one sentence each.
        """
        return {
            "bundle": str(file),
            "replays": len(self.replays),
            "as_recorded": sum(one.as_recorded for one in self.replays),
            "open": sum(one.verdict is Verdict.OPEN for one in self.replays),
            "closed": sum(one.verdict is Verdict.CLOSED for one in self.replays),
            "no_longer_fits": changed,
            "exit_code": int(self.code),
            "each": [
                {
                    "verdict": one.verdict.value,
                    "reason": one.reason,
                    "same_trace": not one.trace_parts,
                    "trace": one.trace_parts,
                    "message": one.message_parts,
                }
                for one in self.replays
            ],
        }


def summarise(bundle: Bundle, replays: Sequence[ReplayAttempt]) -> ReplaySummary:
    """Return the exit code and the sentences for a number of replays; open precedes inconclusive."""
    if not replays:
        return ReplaySummary(
            ExitCode.INCONCLUSIVE, ("nothing was run: the scenario did not reach its race or its journey",)
        )
    as_recorded = sum(one.as_recorded for one in replays)
    opened = [one for one in replays if one.verdict is Verdict.OPEN]
    doubtful = [one for one in replays if one.verdict not in (Verdict.OPEN, Verdict.CLOSED)]
    lines = [
        f"not as recorded: {part}"
        for part in dict.fromkeys(p for one in opened for p in (one.trace_parts, one.message_parts) if p)
    ]
    lines += dict.fromkeys(f"inconclusive: {one.reason}" for one in doubtful)
    if opened:
        lines.append(
            f"{bundle.subject} is open, {as_recorded} of {len(replays)} as recorded: {bundle.expected.what}"
        )
        return ReplaySummary(ExitCode.OPEN, tuple(lines), tuple(replays))
    if doubtful:
        lines.append(f"{bundle.subject} is inconclusive: {len(doubtful)} of {len(replays)} replays")
        return ReplaySummary(ExitCode.INCONCLUSIVE, tuple(lines), tuple(replays))
    kind = bundle.recording.kind
    lines.append(f"{bundle.subject} is closed under this {kind}: no longer found: {bundle.expected.what}")
    if kind == "schedule":
        lines.append(f"other schedules may still show it: {bundle.search}")
    return ReplaySummary(ExitCode.SATISFIED, tuple(lines), tuple(replays))


def compare_schedule(bundle: Bundle, ruled: ClauseResult, trace: Trace | None) -> ReplayAttempt:
    """Compare a run of the bundle's schedule with the bundle.

    Args:
        ruled: the scenario's result for the bundle's clause.
        trace: the trace of the run; None if no schedule was run.
    """
    return ReplayAttempt(
        verdict=ruled.verdict,
        reason=reason_of(ruled),
        trace_parts="nothing was run" if trace is None else trace_difference(bundle, trace),
        message_parts=message_difference(bundle, ruled.finding) if ruled.finding else "",
    )


def compare_fault_plan(bundle: Bundle, found: SweepResult) -> ReplayAttempt:
    """Compare a run of the bundle's fault plan with the bundle."""
    aspect = bundle.recording.aspect
    if aspect in found.found:
        plan, gap = found.found[aspect]
        difference = ""
        if plan is not None and bundle.recording.steps:
            difference = trace_difference(bundle, faulty_trace(plan, found.crossed.get(plan, ())))
        return ReplayAttempt(Verdict.OPEN, gap.what, difference, _what_difference(bundle, gap))
    if not found.counts["bitten"] and not found.second_counts["bitten"]:
        why = next(
            (cell.why for cell in (*found.cells, *found.second_order) if cell.why), "nothing was injected"
        )
        return ReplayAttempt(Verdict.INCONCLUSIVE, f"the fault took no effect: {why}")
    return ReplayAttempt(Verdict.CLOSED)


def reason_of(ruled: ClauseResult) -> str:
    """Return why a clause is not closed, in one line; "" if it is."""
    words = " ".join(ruled.reason.split())
    return "" if ruled.verdict is Verdict.CLOSED else words


def trace_difference(bundle: Bundle, trace: Trace) -> str:
    """Return the first difference of a trace from the bundle's, in one line; "" if there is none."""
    recording = bundle.recording
    if not recording.steps:
        same = recording.schedule == trace.schedule
        return "" if same else f"expected the schedule {recording.schedule}, observed {trace.schedule}"
    wanted, found = trace_of(recording), Redactor().trace(trace)
    if difference := first_difference(wanted.shape, found.shape):
        return difference
    answers, got = ([actor.answer for actor in one.actors] for one in (wanted, found))
    return "" if answers == got else f"expected the answers {', '.join(answers)}, observed {', '.join(got)}"


def message_difference(bundle: Bundle, finding: Finding) -> str:
    """Return the first difference of a finding from the bundle's; "" if there is none."""
    redactor = Redactor()
    for wanted, found in (
        (bundle.expected.what, finding.what),
        (bundle.expected.expected, finding.expected),
        (_WHICH.sub("", bundle.expected.observed), _WHICH.sub("", finding.observed)),
    ):
        if wanted != redactor.text(found):
            return f"expected {wanted!r}, observed {redactor.text(found)!r}"
    return ""


def _what_difference(bundle: Bundle, found: GapFound) -> str:
    what = Redactor().text(found.what)
    return "" if what == bundle.expected.what else f"expected {bundle.expected.what!r}, observed {what!r}"
