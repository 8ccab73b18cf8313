"""What a finding of the explorer leaves in the evidence: lanes to look at, and a recording for a bundle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from overbooked.bundles.schema import Faults, Recording, parts_of, recorded_schedule
from overbooked.fault_points.points import Crossing, FaultPlan
from overbooked.fault_points.results import Sweep
from overbooked.interleavings.reporting import Left, Story, Tell
from overbooked.traces.layout import text_lines
from overbooked.traces.redaction import Redactor
from overbooked.traces.trace import Trace, TraceActor, TraceStep

# Keys of a finding's details. Whoever keeps the run's books turns a recording into a bundle.
LANES = "lanes"
RECORDING = "recording"
# Narrow enough for a terminal of 80 columns, indented as evidence is.
WIDTH = 70
# Of a fault plan so many boundaries are shown on either side of the fault.
NEAR = 6


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
    trace = Redactor().trace(faulty_trace(plan, found.crossed.get(plan, ())))
    actors, steps = parts_of(trace)
    recording = Recording(
        kind="fault plan",
        faults=Faults.of(plan, patient=plan in found.patient),
        aspect=aspect,
        actors=actors,
        steps=steps,
    )
    drawn = {LANES: _around(trace, plan)} if trace.steps else {}
    return {**drawn, RECORDING: recording.model_dump(mode="json")}


def faulty_trace(plan: FaultPlan, crossed: Sequence[Crossing]) -> Trace:
    """What a journey crossed, as a trace of one lane, with what was done where it was struck.

    The pool decides over connections, so they count as one.
    """
    struck = _struck(plan, crossed)
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
            error=_kind(plan) if number == struck else one.reply.error if one.reply else "no answer",
            rows=one.reply.rows if one.reply else None,
            in_transaction=one.reply.in_transaction if one.reply else False,
        )
        for number, one in enumerate(crossed)
    )
    return _one_lane(plan.journey, steps)


def _one_lane(journey: str, steps: Sequence[TraceStep]) -> Trace:
    first, last = (0, len(steps) - 1) if steps else (None, None)
    return Trace((TraceActor(journey, journey, first_step=first, last_step=last),), tuple(steps))


def _kind(plan: FaultPlan) -> str:
    return (plan.second_kind or plan.kind).value


def _struck(plan: FaultPlan, crossed: Sequence[Crossing]) -> int | None:
    point, seen = plan.second or plan.point, 0
    for number, one in enumerate(crossed):
        if (one.boundary.link, one.boundary.shape) == (point.link, point.shape):
            seen += 1
            if seen == point.nth:
                return number
    return None


def _around(trace: Trace, plan: FaultPlan) -> list[str]:
    """The lane near where it was struck; a journey is long, and most of it is as ever."""
    struck = next(
        (n for n, step in enumerate(trace.steps) if step.error == _kind(plan)), len(trace.steps) - 1
    )
    first, last = max(0, struck - NEAR), min(len(trace.steps), struck + NEAR + 1)
    near = _one_lane(plan.journey, trace.steps[first:last])
    before = [f"... {first} before"] if first else []
    after = [f"... {len(trace.steps) - last} after"] if last < len(trace.steps) else []
    return [*before, *text_lines(near, WIDTH), *after]
