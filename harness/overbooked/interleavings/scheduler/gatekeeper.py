"""What the gate and the actors say while one schedule is run: a keeper of the gate.

A boundary is held for its actor. An answer is delivered at once to an actor who moves, and else kept
until he does, so that never two move. What the holding itself has brought about - a limit of the
service's own that struck meanwhile - and what nobody owns makes the schedule one to conclude nothing from.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from typing import Protocol

from overbooked.interleavings.scheduler.actor_state import ENDS, Flight, Lane, Stepping, said, wire_of
from overbooked.interleavings.scheduler.attribution import Ownership
from overbooked.interleavings.scheduler.timeouts import Experience
from overbooked.interleavings.scheduler.wakeup import News
from overbooked.wire.gate.boundary import Boundary, Gatekeeper, Held, Reply

# Limits of the service's own that holding trips: statement, transaction and lock time-outs.
_TIMED_OUT = {"57014", "25P03", "55P03", "57P05", "25P04"}
_DEADLOCK = "40P01"


class GatedLink(Protocol):
    """A link with a gate; `overbooked.wire.link.RelayLink` is one."""

    @property
    def name(self) -> str: ...

    def gate(self, keeper: Gatekeeper | None) -> None: ...


class Disturbed(Exception):
    """Nothing may be concluded from this schedule any more."""


class Holding:
    """Holds what comes and keeps what is answered, for one schedule.

    Args:
        lanes: of all actors.
        whose: tells whose a boundary is.
        experience: learns what follows what.
        links: whose boundaries are held.
        deadlocks_at_once: a deadlock always kills the transaction that closes it.
        harmless: whether a boundary that no actor owns changes nothing.
        learning: whatever comes teaches whether its actor gathers.
        splits: whether the commit of an autocommit statement is a step of its own; None: none is, and
            the end of a session is no step either.
        within_a_block: whether the procedures that are called commit nothing.
    """

    def __init__(
        self,
        lanes: Sequence[Lane],
        whose: Ownership,
        experience: Experience,
        links: Collection[GatedLink],
        *,
        deadlocks_at_once: bool,
        harmless: Callable[[Boundary], bool],
        learning: bool,
        splits: Callable[[Boundary], bool] | None = None,
        within_a_block: Callable[[Boundary], bool] = lambda _: False,
    ) -> None:
        self.steps: list[Stepping] = []
        self.disturbed = ""
        self.strays: list[str] = []
        self.unsplit: set[str] = set()
        self._lanes = lanes
        self._whose = whose
        self._experience = experience
        self._links = links
        self._deadlocks_at_once = deadlocks_at_once
        self._harmless = harmless
        self._learning = learning
        self._splits = splits
        self._within_a_block = within_a_block
        self._flights: dict[int, tuple[Lane, Flight]] = {}
        self._free = False
        self._news = News()

    def engage(self) -> None:
        """From now on every boundary is held."""
        for link in self._links:
            link.gate(self)

    def set_out(self, lane: Lane, step: Stepping, held: Held) -> None:
        """Let a boundary go as the next step of its actor, who moves from now on."""
        flight = Flight(held, step)
        self.steps.append(step)
        lane.latest = step
        lane.flights.append(flight)
        self._flights[id(held)] = lane, flight
        self._whose.take(held.boundary, lane)
        self._whose.moving = lane
        held.go()

    async def news_within(self, seconds: float) -> bool:
        """Whether something has happened since the last time this was asked, or does in time.

        Raises:
            Disturbed: what has happened disturbs.
        """
        news = await self._news.within(seconds)
        if self.disturbed:
            raise Disturbed(self.disturbed)
        return news

    def doing(self) -> str:
        """What each actor does now, for people."""
        return "; ".join(lane.doing() for lane in self._lanes)

    async def release(self, within_s: float) -> None:
        """Whatever is still held goes on; then the links pass everything again."""
        self._free = True
        for lane in self._lanes:
            while lane.kept:
                lane.kept.pop(0).deliver()
            while lane.pending:
                lane.pending.pop(0).go()
        for link in self._links:
            link.gate(None)
        give_up = time.monotonic() + within_s
        while not all(lane.answered for lane in self._lanes) and time.monotonic() < give_up:
            await self._news.within(within_s)
        for lane in self._lanes:
            if not lane.answered:
                lane.part.stop()

    # -- what is said --------------------------------------------------------------------------

    @property
    def holds_ends(self) -> bool:
        """See `CommitKeeper`."""
        return self._splits is not None and not self._free

    def holds_commit_of(self, boundary: Boundary) -> bool:
        """See `CommitKeeper`."""
        return self._splits is not None and not self._free and self._splits(boundary)

    def ends_no_transaction(self, boundary: Boundary) -> bool:
        """See `CommitKeeper`."""
        return self._within_a_block(boundary)

    def responded(self, lane: Lane) -> None:
        """An actor has his response, or his work has ended."""
        lane.answered = True
        self._news.tell()

    def asks(self, held: Held) -> None:
        """A boundary waits: it is held for its actor."""
        if self._free:
            held.go()
            return
        lane = self._whose.owner(held.boundary)
        if lane is None:
            self._stray(held)
            return
        self._whose.take(held.boundary, lane)
        if held.boundary.unsplit:
            self.unsplit.add(f"{said(held.boundary)}: {held.boundary.unsplit}")
        if self._learning or not any(other.parked for other in self._lanes if other is not lane):
            self._experience.follows.add((lane.index, lane.last_shape, held.boundary.shape))
        if self._learning and _several(lane, held):
            lane.gathers = True
            self._experience.gathers.add(lane.index)
        if lane.answered:
            self._experience.late.add(lane.index)
        lane.pending.append(held)
        lane.parked = lane.over = False
        self._news.tell()

    def answers(self, held: Held) -> None:
        """An answer is whole: its actor gets it at once if he is moving, else when he is."""
        lane, flight = self._flights.pop(id(held), (None, None))
        reply, boundary = held.reply, held.boundary
        if lane is None or flight is None:
            self._answered_unasked(held)
            return
        lane.flights.remove(flight)
        flight.step.reply = reply
        self._whose.answered(boundary, reply, lane)
        if lane is self._whose.moving or self._free:
            held.deliver()
        else:
            flight.step.blocked_until = len(self.steps)
            lane.kept.append(held)
        if reply is not None and not self._free:
            self._heed(lane, boundary, reply)
        self._news.tell()

    def _heed(self, lane: Lane, boundary: Boundary, reply: Reply) -> None:
        """Some errors are of the holding's making and say nothing of the service."""
        if reply.error == _DEADLOCK and lane is not self._whose.moving and self._deadlocks_at_once:
            # It began to wait less than a millisecond ago, or the machine was busy just then.
            self.disturbed = f"a deadlock killed another than who closed it: {said(boundary)}"
        own_wish = reply.error == "55P03" and "NOWAIT" in boundary.text.upper()
        if reply.error in _TIMED_OUT and not own_wish:
            self.disturbed = f"a time limit struck ({reply.error}): {said(boundary)}"

    def _answered_unasked(self, held: Held) -> None:
        held.deliver()
        for lane in self._lanes:
            if held in lane.pending:  # the service gave it up, and the gate said so in the server's place
                lane.pending.remove(held)
                self.disturbed = self.disturbed or f"given up while it was held: {said(held.boundary)}"
                self._news.tell()

    def closed(self, link: str, connection: int, held: Held | None) -> None:
        """A connection has gone, with what waited on it."""
        if held is not None and not self._free:
            # Nobody injects faults here: a limit of the service's own has struck while we held it.
            self.disturbed = self.disturbed or f"given up while it was held: {said(held.boundary)}"
        self._whose.forget((link, connection))
        for lane in self._lanes:
            lane.pending = [one for one in lane.pending if wire_of(one.boundary) != (link, connection)]
            lane.kept = [one for one in lane.kept if wire_of(one.boundary) != (link, connection)]
            for flight in list(lane.flights):
                if wire_of(flight.held.boundary) == (link, connection):
                    lane.flights.remove(flight)
                    self._flights.pop(id(flight.held), None)
        self._news.tell()

    def broken(self, link: str, connection: int, why: str) -> None:
        """The gate cannot follow a connection: nothing may be concluded."""
        self.disturbed = self.disturbed or f"the gate cannot follow connection {connection} of {link}: {why}"
        self._news.tell()

    def _stray(self, held: Held) -> None:
        boundary = held.boundary
        self.strays.append(said(boundary))
        if boundary.verb != ENDS and not self._harmless(boundary):
            self.disturbed = self.disturbed or f"a write that no actor owns: {said(boundary)}"
            self._news.tell()
        held.go()


def _several(lane: Lane, held: Held) -> bool:
    """Whether an actor sends this while something of his is on its way already."""
    under_way = [*lane.pending, *(flight.held for flight in lane.flights)]
    return held.boundary.verb != ENDS and any(one.boundary.verb != ENDS for one in under_way)
