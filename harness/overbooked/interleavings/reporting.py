"""The report of an exploration's finding, and the request to run a single schedule.

Lanes are drawn and a bundle is written from a `ScheduleCounterexample`. A bundle or a schedule on the command
line is run as a `FixedSchedule`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from overbooked.errors import GapFound
from overbooked.interleavings.anomalies import Anomaly
from overbooked.interleavings.strategies.interactive import Walk
from overbooked.recording import Recording
from overbooked.traces.trace import Trace


@dataclass(frozen=True, slots=True)
class ScheduleCounterexample:
    """One schedule with a finding.

    Args:
        clause: the clause that it opens.
        race: the race's name within its scenario.
        found: the finding.
        trace: the steps of the schedule.
        anomaly: the kind of anomaly.
        number: the number of the schedule in the exploration, from 1; 0: the schedule was requested.
        preemptions: the exploration's bound; None: unlimited.
    """

    clause: str
    race: str
    found: GapFound
    trace: Trace
    anomaly: Anomaly
    number: int
    preemptions: int | None


@dataclass(frozen=True, slots=True)
class ExplorationEvidence:
    """The evidence that a reporter adds to a finding.

    Args:
        lines: lines shown below the finding, e.g. lanes.
        details: JSON-compatible details for the scorecard.
        recording: the recording of the schedule, for a replay bundle.
    """

    lines: Sequence[str] = ()
    details: Mapping[str, object] = field(default_factory=dict)
    recording: Recording | None = None


Reporter = Callable[[ScheduleCounterexample], ExplorationEvidence]
# Called for each schedule after its run, before it is judged, with the race's name and the trace.
Watch = Callable[[str, Trace], None]


@dataclass(frozen=True, slots=True)
class FixedSchedule:
    """A single schedule to run instead of exploring.

    Args:
        schedule: the actor of each step; after its end actors continue without preemptions.
        race: the name of its race; "": the scenario's first.
        shape: the expected trace, line by line; empty: not checked.
        walk: asks the user for each further choice after the schedule.
    """

    schedule: Sequence[int] = ()
    race: str = ""
    shape: Sequence[str] = ()
    walk: Walk | None = None


def plain(story: ScheduleCounterexample) -> ExplorationEvidence:
    """Return the steps as plain text, one per line."""
    trace = story.trace
    width = max((len(actor.name) for actor in trace.actors), default=0)
    return ExplorationEvidence(
        [
            f"{trace.actors[step.actor].name:{width}}  {' '.join(step.shape.split())[:80]}  "
            f"{step.error or step.reply}"
            for step in trace.steps
        ]
    )
