"""The evidence of a sweep's finding: a lane to display, and a recording for a bundle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from overbooked.fault_points.points import Crossing, FaultPlan, FaultPoint
from overbooked.fault_points.results import SweepResult
from overbooked.recording import RecordedFaults, RecordedPoint, Recording
from overbooked.traces.layout import EVIDENCE_WIDTH, text_lines
from overbooked.traces.recorded import parts_of
from overbooked.traces.redaction import Redactor
from overbooked.traces.trace import Trace, TraceActor, TraceStep
from overbooked.wire.gate.boundary import FaultKind

# Number of boundaries shown on either side of the fault.
NEAR = 6


@dataclass(frozen=True, slots=True)
class RecordedFinding:
    """The recording of a sweep's finding, and the part of its lane that is displayed."""

    recording: Recording
    lanes: Sequence[str]


def record(found: SweepResult, aspect: str) -> RecordedFinding | None:
    """Return the recording of the fault plan that violated an aspect; None if no fault was needed."""
    plan, _ = found.found[aspect]
    if plan is None:
        return None
    trace = Redactor().trace(faulty_trace(plan, found.crossed.get(plan, ())))
    actors, steps = parts_of(trace)
    recording = Recording(
        kind="fault plan",
        faults=recorded_plan(plan, patient=plan in found.patient),
        aspect=aspect,
        actors=actors,
        steps=steps,
    )
    return RecordedFinding(recording, _around(trace, plan) if trace.steps else ())


def recorded_plan(plan: FaultPlan, *, patient: bool = False) -> RecordedFaults:
    """Return a fault plan as a recording stores it."""
    return RecordedFaults(
        journey=plan.journey,
        point=_recorded_point(plan.point),
        kind=plan.kind.value,
        code=plan.code,
        second=_recorded_point(plan.second) if plan.second else None,
        second_kind=plan.second_kind.value if plan.second_kind else None,
        patient=patient,
    )


def plan_of(faults: RecordedFaults) -> FaultPlan:
    """Return the fault plan of a recording."""
    second = _point_of(faults.second) if faults.second else None
    second_kind = FaultKind(faults.second_kind) if faults.second_kind else None
    point = _point_of(faults.point)
    return FaultPlan(faults.journey, point, FaultKind(faults.kind), faults.code, second, second_kind)


def _recorded_point(point: FaultPoint) -> RecordedPoint:
    return RecordedPoint(
        actor=point.actor,
        ordinal=point.ordinal,
        link=point.link,
        shape=point.shape,
        nth=point.nth,
        fingerprint=point.fingerprint,
        verb=point.verb,
        step=point.step,
    )


def _point_of(point: RecordedPoint) -> FaultPoint:
    return FaultPoint(point.actor, point.ordinal, point.link, point.shape, point.nth, point.verb, point.step)


def faulty_trace(plan: FaultPlan, crossed: Sequence[Crossing]) -> Trace:
    """Return the boundaries of a run as a trace of one lane, with the fault as the error of its step.

    All connections are shown as one, because a pool's choice of connection is arbitrary.
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
    """Return the lane within `NEAR` boundaries of the fault; the rest of a long journey is omitted."""
    struck = next(
        (n for n, step in enumerate(trace.steps) if step.error == _kind(plan)), len(trace.steps) - 1
    )
    first, last = max(0, struck - NEAR), min(len(trace.steps), struck + NEAR + 1)
    near = _one_lane(plan.journey, trace.steps[first:last])
    before = [f"... {first} before"] if first else []
    after = [f"... {len(trace.steps) - last} after"] if last < len(trace.steps) else []
    return [*before, *text_lines(near, EVIDENCE_WIDTH), *after]
