"""One actor while a schedule runs: what of his waits at the gate, what is under way, whether he is done."""

from __future__ import annotations

from dataclasses import dataclass, field

from overbooked.interleavings.scheduler.actors import Part
from overbooked.wire.gate.boundary import Boundary, Held, Reply

Wire = tuple[str, int]
COMMITS_AUTOCOMMIT = ("COMMIT (Sync)", "COMMIT (Query)")
"""The shapes of a commit that nobody asked for by a statement."""
ENDS = "TERMINATE"
"""The verb of the end of a database session."""


def wire_of(boundary: Boundary) -> Wire:
    """The connection a boundary crossed: link and number."""
    return boundary.link, boundary.connection


@dataclass(slots=True)
class Stepping:
    """A step as it is taken; becomes a `TraceStep` when the schedule is over."""

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


@dataclass(slots=True)
class Flight:
    """A boundary that was let go and is not yet answered."""

    held: Held
    step: Stepping


@dataclass(slots=True)
class Lane:
    """An actor's state.

    Args:
        pending: boundaries that wait at the gate; several where he sends several at once.
        flights: boundaries let go and not yet answered.
        kept: answers that came while others ran; he gets them when it is his turn.
        begun: he has been set going.
        answered: his response is there, or his work has ended.
        over: and nothing of his is left: no transaction, no message, and quiet.
        blocked: what he waits for in the database is locked by an actor.
        parked: he made no progress at the wire and is not waited for.
        gathers: he has been seen to send several at once.
        latest: the step that it took last.
        deed, former: the last one that was no autocommit's commit, and the one before that.
    """

    index: int
    part: Part
    pending: list[Held] = field(default_factory=list)
    flights: list[Flight] = field(default_factory=list)
    kept: list[Held] = field(default_factory=list)
    begun: bool = False
    answered: bool = False
    over: bool = False
    blocked: bool = False
    parked: bool = False
    gathers: bool = False
    latest: Stepping | None = None
    deed: Stepping | None = None
    former: Stepping | None = None

    def take(self) -> Held:
        """The boundary that goes next: of several the first by link and shape, whichever came first.

        The end of a session goes before all others. Nobody waits for its answer, so that what its actor
        does next may be here already or not.
        """
        chosen = min(range(len(self.pending)), key=lambda n: self._rank(self.pending[n], n))
        return self.pending.pop(chosen)

    @staticmethod
    def _rank(held: Held, came: int) -> tuple[bool, str, str, int]:
        return held.boundary.verb != ENDS, held.boundary.link, held.boundary.shape, came

    def done(self, step: Stepping) -> Stepping | None:
        """Take in a step; what is done by it, None where the commit of it comes yet.

        A statement outside BEGIN and its commit are two steps and one deed: who repeats it repeats both.
        """
        if not step.boundary.shape.startswith(COMMITS_AUTOCOMMIT):
            self.former, self.deed = self.deed, step
        reply = step.reply
        comes_yet = step.boundary.commits_apart and reply is not None and not reply.error
        return None if comes_yet else self.deed

    @property
    def last_shape(self) -> str:
        """Of his latest boundary that was let go; "" before the first."""
        return self.latest.boundary.shape if self.latest else ""

    @property
    def waits_in_database(self) -> int | None:
        """The backend of a statement under way, if one is."""
        for flight in self.flights:
            if flight.held.boundary.backend_pid is not None:
                return flight.held.boundary.backend_pid
        return None

    def doing(self) -> str:
        """What he does now, for people."""
        last = f"after {said(self.latest.boundary)}" if self.latest else "before his first message"
        if self.over:
            return f"{self.part.name} has ended"
        if self.pending:
            return f"{self.part.name} is held at {said(self.pending[0].boundary)}"
        if self.blocked:
            return f"{self.part.name} waits for a lock at {said(self.flights[0].held.boundary)}"
        if self.flights:
            return f"{self.part.name} waits for the answer to {said(self.flights[0].held.boundary)}"
        if self.answered:
            return f"{self.part.name} has his answer and a transaction is still open, {last}"
        return f"{self.part.name} has sent nothing more {last}"


def said(boundary: Boundary) -> str:
    """A boundary in a few words."""
    words = " ".join(boundary.shape.split())
    return f"{words[:80]!r} on {boundary.link}"


def polls_in_vain(
    step: Stepping, before: Stepping | None, coming: Boundary | None = None, *, usual: int = 0
) -> bool:
    """Whether a step repeats the one before it in vain: nothing there once more, or the same thrice.

    Args:
        before: the actor's step before it.
        coming: what he wants next; who goes on to something else was not polling.
        usual: how often in a row he repeats such a step while nobody else is there.
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


def _same(one: Stepping, other: Stepping) -> bool:
    return (
        one.reply is not None
        and other.reply is not None
        and _said(one.boundary) == _said(other.boundary)
        and (one.reply.summary, one.reply.error) == (other.reply.summary, other.reply.error)
    )


def _said(boundary: Boundary) -> tuple[object, ...]:
    return boundary.link, boundary.text, boundary.values
