"""Builds the recorded trace from the executed steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from overbooked.interleavings.scheduler.actor_state import ActorState, ExecutedStep, Wire, wire_of
from overbooked.interleavings.scheduler.actors import describe_end
from overbooked.traces.trace import Trace, TraceActor, TraceStep


def trace_of(
    lanes: Sequence[ActorState], steps: Sequence[ExecutedStep], disturbed: str, notes: Mapping[str, object]
) -> Trace:
    """Return the trace of a finished schedule; connections are renumbered by first use."""
    numbers: dict[Wire, int] = {}
    per_link: dict[str, int] = {}
    traced = []
    for step in steps:
        wire = wire_of(step.boundary)
        if wire not in numbers:
            per_link[wire[0]] = per_link.get(wire[0], 0) + 1
            numbers[wire] = per_link[wire[0]]
        traced.append(_traced(step, numbers[wire]))
    actors = tuple(_actor(lane, steps) for lane in lanes)
    return Trace(actors, tuple(traced), disturbed, notes)


def _actor(lane: ActorState, steps: Sequence[ExecutedStep]) -> TraceActor:
    own = [number for number, step in enumerate(steps) if step.lane == lane.index]
    return TraceActor(
        name=lane.part.name,
        verb=lane.part.verb,
        replica=lane.part.replica,
        answer=describe_end(lane.part),
        first_step=own[0] if own else None,
        last_step=own[-1] if own else None,
    )


def _traced(step: ExecutedStep, connection: int) -> TraceStep:
    boundary, reply = step.boundary, step.reply
    return TraceStep(
        actor=step.lane,
        link=boundary.link,
        protocol=boundary.protocol.value,
        connection=connection,
        verb=boundary.verb,
        text=boundary.text,
        shape=boundary.shape,
        values=boundary.values,
        enabled=step.enabled,
        reply=reply.summary if reply else "",
        error=reply.error if reply else "",
        rows=reply.rows if reply else None,
        in_transaction=reply.in_transaction if reply else False,
        preempted=step.preempted,
        blocked_by=tuple(sorted(step.blocked_by)),
        blocked_until=step.blocked_until,
        parked=step.parked,
    )
