"""Converts a trace to the parts of a recording, and back."""

from __future__ import annotations

from overbooked.plain_text import clean, cleaned
from overbooked.recording import RecordedActor, RecordedStep, Recording
from overbooked.traces.trace import Trace, TraceActor, TraceStep


def trace_of(recording: Recording) -> Trace:
    """Return the trace of a recording, used for drawing lanes and for comparing replays."""
    own = [
        [n for n, step in enumerate(recording.steps) if step.actor == actor]
        for actor in range(len(recording.actors))
    ]
    actors = tuple(
        TraceActor(one.name, one.verb, one.replica, one.answer, *((at[0], at[-1]) if at else (None, None)))
        for one, at in zip(recording.actors, own, strict=True)
    )
    steps = tuple(
        TraceStep(**{name: getattr(step, name) for name in RecordedStep.model_fields})
        for step in recording.steps
    )
    return Trace(actors, steps)


def recorded_schedule(race: str, trace: Trace, *, anomaly: str = "") -> Recording:
    """Return the recording of a schedule; the trace must already be redacted."""
    actors, steps = parts_of(trace)
    return Recording(
        kind="schedule", race=race, schedule=trace.schedule, anomaly=anomaly, actors=actors, steps=steps
    )


def parts_of(trace: Trace) -> tuple[tuple[RecordedActor, ...], tuple[RecordedStep, ...]]:
    """Return the actors and steps of a trace as a recording stores them."""
    actors = tuple(
        RecordedActor(name=clean(one.name), verb=one.verb, replica=one.replica, answer=clean(one.answer))
        for one in trace.actors
    )
    steps = tuple(
        RecordedStep(**{name: cleaned(getattr(step, name)) for name in RecordedStep.model_fields})
        for step in trace.steps
    )
    return actors, steps
