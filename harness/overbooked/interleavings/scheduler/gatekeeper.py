"""The gatekeeper of one schedule: receives the events of the gate and of the actors.

Each boundary is held. An answer is delivered at once to the running actor; an answer to any other actor is
kept until that actor runs, so that two never run concurrently. If a timeout of the service expires because of
the holding, or no actor owns a write, the schedule is disturbed and is not judged.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import Protocol

from overbooked.interleavings.scheduler.actor_state import (
    ENDS,
    ActorState,
    ExecutedStep,
    InFlight,
    said,
    wire_of,
)
from overbooked.interleavings.scheduler.attribution import Attribution
from overbooked.interleavings.scheduler.timeouts import LearnedBehaviour
from overbooked.interleavings.scheduler.wakeup import News
from overbooked.wire.gate.boundary import Boundary, Gatekeeper, Held, Reply

# Timeouts of the service that expire because of the holding: statement, transaction and lock timeouts.
_TIMED_OUT = {"57014", "25P03", "55P03", "57P05", "25P04"}
_DEADLOCK = "40P01"


class GatedLink(Protocol):
    """A link with a gate; `overbooked.wire.link.RelayLink` is one."""

    @property
    def name(self) -> str: ...

    def gate(self, keeper: Gatekeeper | None) -> None: ...


class ScheduleDisturbed(Exception):
    """The schedule was disturbed and must not be judged."""


class SchedulingGatekeeper:
    """Holds arriving boundaries and keeps answers, for one schedule.

    Args:
        lanes: the states of all actors.
        whose: attributes boundaries to actors.
        experience: learns which boundary follows which.
        links: the links whose boundaries are held.
        deadlocks_at_once: whether a deadlock always aborts the transaction that closes the cycle.
        harmless: returns whether a boundary that no actor owns changes nothing.
        learning: learn from arriving boundaries whether their actor sends several at once.
        splits: returns whether the commit of an autocommit statement is a separate step; None: never, and
            the end of a session is not a step either.
        within_a_block: returns whether the called procedures contain no COMMIT.
    """

    def __init__(
        self,
        lanes: Sequence[ActorState],
        whose: Attribution,
        experience: LearnedBehaviour,
        links: Collection[GatedLink],
        *,
        deadlocks_at_once: bool,
        harmless: Callable[[Boundary], bool],
        learning: bool,
        splits: Callable[[Boundary], bool] | None = None,
        within_a_block: Callable[[Boundary], bool] = lambda _: False,
    ) -> None:
        self.steps: list[ExecutedStep] = []
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
        self._flights: dict[int, tuple[ActorState, InFlight]] = {}
        self._free = False
        self._news = News()

    def engage(self) -> None:
        """Hold every boundary from now on."""
        for link in self._links:
            link.gate(self)

    def release_step(self, lane: ActorState, step: ExecutedStep, held: Held) -> None:
        """Release a boundary as the next step of its actor, which becomes the running actor."""
        flight = InFlight(held, step)
        self.steps.append(step)
        lane.latest = step
        lane.flights.append(flight)
        self._flights[id(held)] = lane, flight
        self._whose.take(held.boundary, lane)
        self._whose.moving = lane
        held.go()

    def begin(self, lane: ActorState, step: ExecutedStep | None) -> None:
        """Start an actor, which becomes the running actor.

        Args:
            step: the step that its beginning is; None: none, since all actors begin before the first step.
        """
        if step is not None:
            self.steps.append(step)
            lane.latest = step
        self._whose.moving = lane
        lane.begun = True
        lane.part.start(partial(self.responded, lane))

    async def wait_for_event(self, seconds: float) -> bool:
        """Return whether an event arrived since the last call, or arrives within `seconds`.

        Raises:
            ScheduleDisturbed: an event disturbed the schedule.
        """
        news = await self._news.within(seconds)
        if self.disturbed:
            raise ScheduleDisturbed(self.disturbed)
        return news

    def doing(self) -> str:
        """Return what each actor is doing, for messages."""
        return "; ".join(lane.doing() for lane in self._lanes)

    async def release(self, within_s: float) -> None:
        """Release all held messages and remove the gate; stop actors that have not ended within
        `within_s`."""
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

    # -- events --------------------------------------------------------------------------

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

    def responded(self, lane: ActorState) -> None:
        """Record that an actor's response arrived, or its work ended."""
        lane.answered = True
        if self.steps and not self._free:
            waited = lane.latest is not None and lane.latest.blocked_until == len(self.steps)
            step = lane.latest if waited and lane.latest is not None else self.steps[-1]
            step.answers.add(lane.index)
        self._news.tell()

    def on_request(self, held: Held) -> None:
        """Hold a boundary for its actor."""
        if self._free:
            held.go()
            return
        lane = self._whose.owner(held.boundary)
        if lane is None:
            self._on_unowned(held)
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

    def on_reply(self, held: Held) -> None:
        """Deliver a complete answer if its actor is running, else keep it until the actor runs."""
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
            self._check_error(lane, boundary, reply)
        self._news.tell()

    def _check_error(self, lane: ActorState, boundary: Boundary, reply: Reply) -> None:
        """Mark the schedule disturbed for an error caused by the holding."""
        if reply.error == _DEADLOCK and lane is not self._whose.moving and self._deadlocks_at_once:
            # The victim began to wait less than a millisecond ago, or the machine was busy.
            self.disturbed = (
                f"a deadlock aborted another transaction than the one that closed it: {said(boundary)}"
            )
        own_wish = reply.error == "55P03" and "NOWAIT" in boundary.text.upper()
        if reply.error in _TIMED_OUT and not own_wish:
            self.disturbed = (
                f"a timeout of the service expired while its statement was held ({reply.error}): "
                f"{said(boundary)}"
            )

    def _answered_unasked(self, held: Held) -> None:
        held.deliver()
        for lane in self._lanes:
            if held in lane.pending:  # the service cancelled it, and the gate answered
                lane.pending.remove(held)
                self.disturbed = self.disturbed or f"given up while it was held: {said(held.boundary)}"
                self._news.tell()

    def on_close(self, link: str, connection: int, held: Held | None) -> None:
        """Discard the boundaries of a closed connection."""
        if held is not None and not self._free:
            # No fault is injected here, so a timeout of the service expired while its message was held.
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

    def on_error(self, link: str, connection: int, why: str) -> None:
        """Mark the schedule disturbed, because the gate cannot follow a connection."""
        self.disturbed = self.disturbed or f"the gate cannot follow connection {connection} of {link}: {why}"
        self._news.tell()

    def _on_unowned(self, held: Held) -> None:
        boundary = held.boundary
        self.strays.append(said(boundary))
        if boundary.verb != ENDS and not self._harmless(boundary):
            self.disturbed = self.disturbed or f"a write that no actor owns: {said(boundary)}"
            self._news.tell()
        held.go()


def _several(lane: ActorState, held: Held) -> bool:
    """Return whether an actor sends this while another of its messages is held or in flight."""
    under_way = [*lane.pending, *(flight.held for flight in lane.flights)]
    return held.boundary.verb != ENDS and any(one.boundary.verb != ENDS for one in under_way)
