"""The trace of one schedule: the boundaries of each actor in the order of their release.

Lanes are drawn from a trace, a bundle stores it, and a replay is compared with it. Only its texts, values and
replies differ from run to run; `Trace.shape` leaves the differing parts out, so that two runs of one schedule
have equal shapes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

BEGINS = "BEGINS"
"""Verb of the first step of an actor, which crosses no link: its request is sent, or its work starts."""


@dataclass(frozen=True, slots=True)
class TraceStep:
    """One boundary that was released.

    Args:
        actor: an index into `Trace.actors`.
        link: the link that the boundary crossed.
        connection: numbers the link's connections from 1 by first use in this trace.
        verb, text, shape, values: those of the boundary; `text` and `values` as sent, not redacted.
        enabled: the actors that could have been released, including `actor`, ascending.
        reply, error, rows: those of the answer; `reply` is "" if no answer arrived.
        in_transaction: whether the connection was in a transaction after the answer.
        preempted: whether another actor was running and could have continued.
        blocked_by: the actors whose locks the step waited for before its answer arrived.
        blocked_until: the number of steps that had been released when the answer arrived; None if it
            arrived before any other step.
        parked: whether the actor sent nothing after the answer until others had continued.
    """

    actor: int
    link: str
    protocol: str
    connection: int
    verb: str
    text: str
    shape: str
    values: tuple[str | None, ...] = ()
    enabled: tuple[int, ...] = ()
    reply: str = ""
    error: str = ""
    rows: int | None = None
    in_transaction: bool = False
    preempted: bool = False
    blocked_by: tuple[int, ...] = ()
    blocked_until: int | None = None
    parked: bool = False

    @property
    def begins(self) -> bool:
        """Whether the step is the beginning of its actor, and no boundary."""
        return self.verb == BEGINS


@dataclass(frozen=True, slots=True)
class TraceActor:
    """One lane: the short name, verb, replica and answer of an actor.

    Args:
        replica: index of the replica that its requests went to, from 0.
        answer: the answer in a word: an HTTP status, `ok`, `no answer`.
        first_step, last_step: indexes of its first and last steps in the trace; None if it has none.
    """

    name: str
    verb: str
    replica: int = 0
    answer: str = ""
    first_step: int | None = None
    last_step: int | None = None


@dataclass(frozen=True, slots=True)
class Trace:
    """The execution of one schedule.

    Args:
        actors: the lanes, in order.
        steps: boundaries in the order of their release; their actors form the schedule.
        disturbed: why nothing can be concluded from the run, e.g. a timeout of the service expired, another
            session wrote, or an actor never ended; "" if the run was undisturbed.
        notes: further facts, JSON-compatible, e.g. when an actor was parked.
    """

    actors: tuple[TraceActor, ...]
    steps: tuple[TraceStep, ...]
    disturbed: str = ""
    notes: Mapping[str, object] = field(default_factory=dict)

    @property
    def schedule(self) -> tuple[int, ...]:
        """The actor of each step; a replay follows it."""
        return tuple(step.actor for step in self.steps)

    @property
    def preemptions(self) -> int:
        """The number of preemptions."""
        return sum(step.preempted for step in self.steps)

    @property
    def shape(self) -> tuple[str, ...]:
        """One line per step, equal in every run of a schedule on a system."""
        return tuple(shape_of(step) for step in self.steps)

    @property
    def boundaries(self) -> int:
        """The number of boundaries; the beginning of an actor is none."""
        return sum(not step.begins for step in self.steps)

    def of(self, actor: int) -> tuple[TraceStep, ...]:
        """Return the steps of one actor."""
        return tuple(step for step in self.steps if step.actor == actor)


def shape_of(step: TraceStep) -> str:
    """Return a step without the parts that differ between runs."""
    marks = [f"#{step.connection}", step.error or step.reply]
    if step.blocked_by:
        marks.append(f"waits for {', '.join(map(str, step.blocked_by))} until {step.blocked_until}")
    if step.parked:
        marks.append("parked")
    return f"{step.actor} {step.link} {step.shape} -> {' '.join(marks)}"


def first_difference(wanted: Sequence[str], found: Sequence[str]) -> str:
    """Return the first difference of two shapes in one line; "" if they are equal."""
    for number, (one, other) in enumerate(zip(wanted, found, strict=False)):
        if one != other:
            return f"step {number}: wanted {one!r}, found {other!r}"
    if len(wanted) != len(found):
        which = "wanted" if len(wanted) > len(found) else "found"
        longer = wanted if len(wanted) > len(found) else found
        return f"step {min(len(wanted), len(found))}: only {which} {longer[min(len(wanted), len(found))]!r}"
    return ""
