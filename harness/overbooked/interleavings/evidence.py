"""The evidence of a finding of the explorer: lanes to display, and a recording for a bundle."""

from __future__ import annotations

from collections.abc import Sequence

from overbooked.interleavings.reporting import ExplorationEvidence, Reporter, ScheduleCounterexample
from overbooked.traces.layout import EVIDENCE_WIDTH, LANES, text_lines
from overbooked.traces.recorded import recorded_schedule
from overbooked.traces.redaction import Redactor


def lanes_and_recording(patterns: Sequence[str] = ()) -> Reporter:
    """Return a reporter that draws a counterexample as lanes and records its schedule.

    Args:
        patterns: regular expressions whose matches are redacted, in addition to secrets and personal data.
    """

    def report(counterexample: ScheduleCounterexample) -> ExplorationEvidence:
        trace = Redactor(patterns).trace(counterexample.trace)
        return ExplorationEvidence(
            details={LANES: text_lines(trace, EVIDENCE_WIDTH)},
            recording=recorded_schedule(counterexample.race, trace, anomaly=counterexample.anomaly.value),
        )

    return report
