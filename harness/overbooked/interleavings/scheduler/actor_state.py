"""The state of one actor during a schedule: held and in-flight boundaries, blocked, parked, ended."""

from __future__ import annotations

from dataclasses import dataclass, field

from overbooked.interleavings.scheduler.actors import ActorTask
from overbooked.traces.trace import BEGINS
from overbooked.wire.gate.boundary import Boundary, Held, Reply, WireProtocol

Wire = tuple[str, int]
COMMITS_AUTOCOMMIT = ("COMMIT (Sync)", "COMMIT (Query)")
"""Shapes of the commit of an autocommit statement."""
ENDS = "TERMINATE"
"""Verb of the end of a database session."""


def beginning_of(actor: int) -> Boundary:
    """Return the boundary that stands for the beginning of an actor; it crosses no link."""
    return Boundary("client", WireProtocol.RAW, actor, 1, BEGINS, "", "begins")


def wire_of(boundary: Boundary) -> Wire:
    """Return the connection that a boundary crossed: link and number."""
    return boundary.link, boundary.connection


@dataclass(slots=True)
class ExecutedStep:
    """A step of the running schedule; it becomes a `TraceStep` at the end.

    `answers` are the actors whose response arrived, or whose work ended, as an effect of the step.
    """

    lane: int
    boundary: Boundary
    enabled: tuple[int, ...]
    preempted: bool
    reply: Reply | None = None
    blocked_by: set[int] = field(default_factory=set)
    blocked_until: int | None = None
    parked: bool = False
    yields: bool = False
    repeated: int = 0
    answers: set[int] = field(default_factory=set)

    @property
    def begins(self) -> bool:
        """Whether the step is the beginning of its actor."""
        return self.boundary.verb == BEGINS


@dataclass(slots=True)
class InFlight:
    """A released boundary without an answer yet."""

    held: Held
    step: ExecutedStep


@dataclass(slots=True)
class ActorState:
    """The state of an actor.

    Args:
        index: the index of the actor.
        part: its task.
        pending: boundaries held at the gate; several if the actor sends several at once.
        flights: released boundaries without an answer yet.
        kept: answers that arrived while another actor was running; delivered when this one runs.
        begun: whether the actor was started.
        answered: whether its response arrived, or its work ended.
        over: whether it was answered and has no open transaction or message left.
        blocked: whether another actor holds the lock that its statement waits for.
        parked: whether it made no progress at the wire, so that the schedule continues without it.
        gathers: whether it has been observed to send several messages at once.
        latest: its last step.
        deed, former: its last step that is not the commit of an autocommit statement, and the one before.
    """

    index: int
    part: ActorTask
    pending: list[Held] = field(default_factory=list)
    flights: list[InFlight] = field(default_factory=list)
    kept: list[Held] = field(default_factory=list)
    begun: bool = False
    answered: bool = False
    over: bool = False
    blocked: bool = False
    parked: bool = False
    gathers: bool = False
    latest: ExecutedStep | None = None
    deed: ExecutedStep | None = None
    former: ExecutedStep | None = None

    def take(self) -> Held:
        """Remove and return the boundary to release next: of several, the first by link and shape.

        The order does not depend on arrival. The end of a session comes first: it has no answer, so the
        actor's next boundary may or may not have arrived already.
        """
        chosen = min(range(len(self.pending)), key=lambda n: self._rank(self.pending[n], n))
        return self.pending.pop(chosen)

    @staticmethod
    def _rank(held: Held, came: int) -> tuple[bool, str, str, int]:
        return held.boundary.verb != ENDS, held.boundary.link, held.boundary.shape, came

    def done(self, step: ExecutedStep) -> ExecutedStep | None:
        """Record a step; return the statement that it completes, None if its commit is still to come.

        An autocommit statement and its commit are two steps of one operation; a poll repeats both.
        """
        if not step.boundary.shape.startswith(COMMITS_AUTOCOMMIT):
            self.former, self.deed = self.deed, step
        reply = step.reply
        comes_yet = step.boundary.commits_apart and reply is not None and not reply.error
        return None if comes_yet else self.deed

    @property
    def last_shape(self) -> str:
        """The shape of the latest released boundary; "" before the first."""
        return self.latest.boundary.shape if self.latest else ""

    @property
    def only_ends_sessions(self) -> bool:
        """Whether only ends of sessions are held, so that the response may come without waiting for them."""
        ends = bool(self.pending) and all(held.boundary.verb == ENDS for held in self.pending)
        return ends and not self.answered and not self.flights

    @property
    def waits_in_database(self) -> int | None:
        """The pid of the backend that executes the actor's statement in flight; None if there is none."""
        for flight in self.flights:
            if flight.held.boundary.backend_pid is not None:
                return flight.held.boundary.backend_pid
        return None

    def doing(self) -> str:
        """Return what the actor is doing, for messages."""
        if not self.begun:
            return f"{self.part.name} has not begun"
        sent = self.latest is not None and not self.latest.begins
        last = f"after {said(self.latest.boundary)}" if self.latest and sent else "before its first message"
        if self.over:
            return f"{self.part.name} has ended"
        if self.pending:
            return f"{self.part.name} is held at {said(self.pending[0].boundary)}"
        if self.blocked:
            return f"{self.part.name} waits for a lock at {said(self.flights[0].held.boundary)}"
        if self.flights:
            return f"{self.part.name} waits for the answer to {said(self.flights[0].held.boundary)}"
        if self.answered:
            return f"{self.part.name} has its answer but still has an open transaction, {last}"
        return f"{self.part.name} has sent nothing more {last}"


def said(boundary: Boundary) -> str:
    """Return a boundary in a few words, for messages."""
    words = " ".join(boundary.shape.split())
    return f"{words[:80]!r} on {boundary.link}"


def is_futile_poll(
    step: ExecutedStep, before: ExecutedStep | None, coming: Boundary | None = None, *, usual: int = 0
) -> bool:
    """Return whether a step repeats the previous one without progress.

    That is, it got no rows or an error again, or the same rows for the third time.

    Args:
        before: the actor's previous step.
        coming: the actor's next boundary; an actor that continues with a different one is not polling.
        usual: how often in a row the actor repeats such a step when it runs alone.
    """
    if before is None or step.reply is None or not _same(step, before):
        return False
    step.repeated = before.repeated + 1
    if step.reply.rows and step.boundary.verb in _CHANGING:
        return False
    if coming is not None and _said(coming) != _said(step.boundary):
        return False
    nothing = bool(step.reply.error) or not step.reply.rows
    return step.repeated > usual + (0 if nothing else 1)


_CHANGING = {"INSERT", "UPDATE", "DELETE", "MERGE", "COPY"}


def _same(one: ExecutedStep, other: ExecutedStep) -> bool:
    return (
        one.reply is not None
        and other.reply is not None
        and _said(one.boundary) == _said(other.boundary)
        and (one.reply.summary, one.reply.error) == (other.reply.summary, other.reply.error)
    )


def _said(boundary: Boundary) -> tuple[object, ...]:
    return boundary.link, boundary.text, boundary.values
