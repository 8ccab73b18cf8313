"""The trace of one schedule: what each actor did at the wire, in the order it was let go.

A trace is what lanes are drawn from, what a bundle keeps and what a replay is compared with. It holds
nothing that differs from run to run but texts, values and replies; `Trace.shape` leaves these out, and
two runs of one schedule have equal shapes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class TraceStep:
    """One boundary that was let go.

    Args:
        actor: whose it was, an index into `Trace.actors`.
        link: the link it crossed; `connection` numbers the link's connections from 1 by first use
            in this trace.
        verb, text, shape, values: the boundary's; `text` and `values` as sent, so not redacted.
        enabled: the actors that could have gone instead, `actor` among them, ascending.
        reply, error, rows: of its answer; `reply` is "" when none came.
        in_transaction: whether its connection was within a transaction after the answer.
        preempted: another actor was running and could have gone on.
        blocked_by: the actors whose locks it waited for before its answer came.
        blocked_until: the number of steps that had been let go when its answer came, None when it
            came before any other step.
        parked: after its answer its actor made no progress at the wire until others had gone on.
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


@dataclass(frozen=True, slots=True)
class TraceActor:
    """One lane: a short name, what it set out to do, where it went and how it ended.

    Args:
        replica: the replica its requests went to, from 0.
        answer: how it ended, in a word: an HTTP status, `ok`, `no answer`.
        first_step, last_step: its first and last steps in the trace, None when it had none.
    """

    name: str
    verb: str
    replica: int = 0
    answer: str = ""
    first_step: int | None = None
    last_step: int | None = None


@dataclass(frozen=True, slots=True)
class Trace:
    """What happened under one schedule.

    Args:
        actors: the lanes, in order.
        steps: boundaries in the order they were let go; their actors are the schedule.
        disturbed: why nothing may be concluded from it ("" when something may): a time limit of the
            service's struck, somebody else wrote, an actor never ended.
        notes: further facts, JSON-compatible, e.g. who was parked and when.
    """

    actors: tuple[TraceActor, ...]
    steps: tuple[TraceStep, ...]
    disturbed: str = ""
    notes: Mapping[str, object] = field(default_factory=dict)

    @property
    def schedule(self) -> tuple[int, ...]:
        """The actor of each step: what `run_schedule` follows."""
        return tuple(step.actor for step in self.steps)

    @property
    def preemptions(self) -> int:
        """How often an actor was stopped that could have gone on."""
        return sum(step.preempted for step in self.steps)

    @property
    def shape(self) -> tuple[str, ...]:
        """One line a step, equal for every run of one schedule on one system."""
        return tuple(shape_of(step) for step in self.steps)

    def of(self, actor: int) -> tuple[TraceStep, ...]:
        """The steps of one actor."""
        return tuple(step for step in self.steps if step.actor == actor)


def shape_of(step: TraceStep) -> str:
    """A step without what differs from run to run."""
    marks = [f"#{step.connection}", step.error or step.reply]
    if step.blocked_by:
        marks.append(f"waits for {', '.join(map(str, step.blocked_by))} until {step.blocked_until}")
    if step.parked:
        marks.append("parked")
    return f"{step.actor} {step.link} {step.shape} -> {' '.join(marks)}"


def first_difference(wanted: Sequence[str], found: Sequence[str]) -> str:
    """Where two shapes part, in one line; "" where they are equal."""
    for number, (one, other) in enumerate(zip(wanted, found, strict=False)):
        if one != other:
            return f"step {number}: wanted {one!r}, found {other!r}"
    if len(wanted) != len(found):
        which = "wanted" if len(wanted) > len(found) else "found"
        longer = wanted if len(wanted) > len(found) else found
        return f"step {min(len(wanted), len(found))}: only {which} {longer[min(len(wanted), len(found))]!r}"
    return ""
