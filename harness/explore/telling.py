"""What a finding of the explorer leaves in the evidence: lanes to look at, and a recording for a bundle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from harness.explore.bundle import Faults, Recording, parts_of, recorded_schedule
from harness.explore.fault_points import Crossing
from harness.explore.lanes import text_lines
from harness.explore.redaction import Redactor
from harness.explore.story import Left, Story, Tell
from harness.explore.sweep_matrix import Sweep
from harness.explore.trace import Trace, TraceActor, TraceStep

# Keys of a finding's details. Whoever keeps the run's books turns a recording into a bundle.
LANES = "lanes"
RECORDING = "recording"
# Narrow enough for a terminal of 80 columns, indented as evidence is.
WIDTH = 70


def telling(patterns: Sequence[str] = ()) -> Tell:
    """Tells stories as lanes and recordings.

    Args:
        patterns: regular expressions of what is taken out beside secrets and personal data.
    """

    def tell(story: Story) -> Left:
        trace = Redactor(patterns).trace(story.trace)
        recording = recorded_schedule(story.race, trace, anomaly=story.anomaly.value)
        details: dict[str, object] = {
            LANES: text_lines(trace, WIDTH),
            RECORDING: recording.model_dump(mode="json"),
        }
        return Left(details=details)

    return tell


def recorded_faults(found: Sweep, aspect: str) -> Mapping[str, Any]:
    """Lanes and recording of the fault plan that shows what was found in an aspect, for its details.

    Empty where no fault at all was needed.
    """
    plan, _ = found.found[aspect]
    if plan is None:
        return {}
    trace = Redactor().trace(faulty_trace(plan.journey, found.crossed.get(plan, ())))
    actors, steps = parts_of(trace)
    recording = Recording(
        kind="fault plan",
        faults=Faults.of(plan, patient=plan in found.patient),
        aspect=aspect,
        actors=actors,
        steps=steps,
    )
    drawn = {LANES: text_lines(trace, WIDTH)} if trace.steps else {}
    return {**drawn, RECORDING: recording.model_dump(mode="json")}


def faulty_trace(journey: str, crossed: Sequence[Crossing]) -> Trace:
    """What a journey crossed, as a trace of one lane; the pool decides over connections, so they are one."""
    steps = tuple(
        TraceStep(
            actor=0,
            link=one.boundary.link,
            protocol=one.boundary.protocol.value,
            connection=1,
            verb=one.boundary.verb,
            text=one.boundary.text,
            shape=one.boundary.shape,
            values=one.boundary.values,
            enabled=(0,),
            reply=one.reply.summary if one.reply else "",
            error=one.reply.error if one.reply else "no answer",
            rows=one.reply.rows if one.reply else None,
            in_transaction=one.reply.in_transaction if one.reply else False,
        )
        for one in crossed
    )
    last = len(steps) - 1 if steps else None
    return Trace((TraceActor(journey, journey, first_step=0 if steps else None, last_step=last),), steps)
