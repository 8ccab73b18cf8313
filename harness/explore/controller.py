"""Runs one schedule: a keeper of the gate that lets one actor move at a time.

Everything happens in the relay's thread and on events: boundaries that come, answers that are whole,
responses that are read. Time is asked only where nothing else can tell: whether a statement waits for a
lock (then PostgreSQL is asked), whether an actor has gone quiet, whether nothing moves any more.

An actor moves until he is *still*: held at his next boundary, ended, blocked by another, or without
progress at the wire. An answer to an actor who is not moving is kept until he is, so that never two move.
"""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from harness.explore.actors import Part
from harness.explore.blocking import Blocking
from harness.explore.choosing import Choice, Chooser
from harness.explore.fairness import enabled_of, yielding_after
from harness.explore.lane import Flight, Lane, Stepping, polls_in_vain, said, wire_of
from harness.explore.limits import Experience, Limits
from harness.explore.news import News
from harness.explore.ownership import Ownership
from harness.explore.schedule import is_preemption
from harness.explore.trace import Trace
from harness.explore.tracing import trace_of
from harness.wire.boundary import Boundary, Gatekeeper, Held, Reply

# Limits of the service's own that holding trips: statement, transaction and lock time-outs.
_TIMED_OUT = {"57014", "25P03", "55P03", "57P05", "25P04"}
_DEADLOCK = "40P01"
# Statements after which whoever waited for a lock still waits.
_KEEPS_LOCKS = {"SELECT", "INSERT", "UPDATE", "DELETE", "BEGIN"}


class GatedLink(Protocol):
    """A link with a gate; `harness.wire.link.RelayLink` is one."""

    @property
    def name(self) -> str: ...

    def gate(self, keeper: Gatekeeper | None) -> None: ...


@dataclass(frozen=True, slots=True)
class Scheduled:
    """What came of one schedule: its trace, the steps with boundaries and replies as they were, and how
    many seconds it took from the first actor's start to the last one's end."""

    trace: Trace
    steps: Sequence[Stepping]
    seconds: float


class _Disturbed(Exception):
    """Nothing may be concluded from this schedule any more."""


class Controller:
    """One schedule, from the start of its actors until the last has ended; used once.

    Args:
        parts: of the actors, in order.
        links: whose boundaries are held.
        choose: who goes next.
        blocking: who waits for whom in the database, None where there is none to ask.
        limits: how long to wait for what.
        experience: shared by the schedules of one exploration.
        harmless: whether a boundary that no actor owns changes nothing.
        learning: actors begin one after another, each when the one before is over: whatever comes is
            then his, and teaches whether he gathers.
    """

    def __init__(
        self,
        parts: Sequence[Part],
        links: Mapping[str, GatedLink],
        choose: Chooser,
        *,
        blocking: Blocking | None = None,
        limits: Limits | None = None,
        experience: Experience | None = None,
        harmless: Callable[[Boundary], bool] = lambda _: False,
        learning: bool = False,
    ) -> None:
        self._lanes = [Lane(n, part) for n, part in enumerate(parts)]
        self._links = links
        self._choose = choose
        self._blocking = blocking
        self._limits = limits or Limits()
        self._experience = experience or Experience()
        for lane in self._lanes:
            lane.gathers = lane.index in self._experience.gathers
        self._harmless = harmless
        self._learning = learning
        self._steps: list[Stepping] = []
        self._whose = Ownership(self._lanes, self._experience, learning=learning)
        self._flights: dict[int, tuple[Lane, Flight]] = {}
        self._free = False
        self._news = News()
        self._disturbed = ""
        self._strays: list[str] = []
        self._yielding: frozenset[int] = frozenset()

    # -- the whole of it -----------------------------------------------------------------------

    async def run(self) -> Scheduled:
        """Run the schedule and say what happened; in the relay's thread.

        Raises:
            HarnessError: the schedule cannot be followed, or the harness's own part of it failed.
        """
        for link in self._links.values():
            link.gate(self)
        started = time.monotonic()
        try:
            async with asyncio.timeout(self._limits.schedule_s) as deadline:
                await self._play()
        except _Disturbed as why:
            self._disturbed = self._disturbed or str(why)
        except TimeoutError:
            if not deadline.expired():
                raise
            self._disturbed = f"not over within {self._limits.schedule_s:g} s: {self._doing()}"
        finally:
            seconds = time.monotonic() - started
            await self._let_everything_go()
        for lane in self._lanes:
            if lane.part.failed is not None:
                raise lane.part.failed
        notes: dict[str, object] = {}
        if self._strays:
            notes["strays"] = sorted(set(self._strays))
        if yielded := sum(step.yields for step in self._steps):
            notes["yielded"] = yielded
        trace = trace_of(self._lanes, self._steps, self._disturbed, notes)
        return Scheduled(trace, tuple(self._steps), seconds)

    async def _play(self) -> None:
        for lane in self._lanes:
            self._whose.moving = lane
            lane.begun = True
            lane.part.start(partial(self._responded, lane))
            await self._until_still(lane)
            if self._learning:
                await self._go_on()
        await self._go_on()

    async def _go_on(self) -> None:
        while True:
            await self._wake()
            enabled = self._enabled()
            if enabled:
                await self._step(enabled)
            elif all(lane.over for lane in self._lanes if lane.begun):
                return
            else:
                await self._until_something_moves()

    def _enabled(self) -> tuple[int, ...]:
        return enabled_of((lane.index for lane in self._lanes if lane.pending), self._yielding)

    async def _step(self, enabled: tuple[int, ...]) -> None:
        running = self._steps[-1].lane if self._steps else None
        held = {n: self._lanes[n].pending[0].boundary for n in enabled}
        chosen = self._choose(Choice(len(self._steps), enabled, running, held))
        if inspect.isawaitable(chosen):
            chosen = await chosen
        lane = self._lanes[chosen]
        if not lane.pending:
            return  # its connection went while somebody thought
        preempted = is_preemption(chosen, enabled, running)
        going, before = lane.take(), lane.latest
        step = Stepping(chosen, going.boundary, enabled, preempted)
        self._steps.append(step)
        self._set_out(lane, going, step)
        await self._until_still(lane)
        step.yields = polls_in_vain(step, before)
        self._yielding = yielding_after(self._yielding, chosen, yields=step.yields)

    def _set_out(self, lane: Lane, held: Held, step: Stepping) -> None:
        flight = Flight(held, step)
        lane.latest = step
        lane.flights.append(flight)
        self._flights[id(held)] = lane, flight
        self._whose.take(held.boundary, lane)
        self._whose.moving = lane
        held.go()

    # -- until an actor is still ---------------------------------------------------------------

    async def _until_still(self, lane: Lane) -> None:
        """Let one actor move until he is held, over, blocked or parked."""
        self._whose.moving = self._whose.moved_last = lane
        lane.parked = lane.blocked = False
        while lane.kept:
            lane.kept.pop(0).deliver()
        limits, known = self._limits, self._experience
        look_s, patience_s = known.first_look_s(lane, limits), known.patience_s(lane, limits)
        quiet_s = limits.learning_s if self._learning else known.quiet_s(lane, limits)
        while True:
            if lane.pending:
                if lane.flights and await self._news_within(limits.nested_s):
                    continue
                if not lane.flights and lane.gathers and await self._news_within(limits.settle_s):
                    continue
                break
            if lane.answered and not lane.flights and not self._whose.in_transaction(lane):
                if await self._news_within(quiet_s):
                    continue
                lane.over = True
                break
            pid = lane.waits_in_database
            if pid is None or self._blocking is None:
                if not await self._news_within(patience_s):
                    self._park(lane)
                    break
            elif not await self._news_within(look_s):
                if await self._is_blocked(lane, pid):
                    break
                look_s = limits.look_s
        self._whose.moving = None

    def _park(self, lane: Lane) -> None:
        lane.parked = True
        if lane.latest is not None:
            lane.latest.parked = True
        self._experience.parks.add((lane.index, lane.last_shape))

    async def _is_blocked(self, lane: Lane, pid: int) -> bool:
        """Ask the database; wait with a deadline where the blocker is nobody of ours."""
        give_up = time.monotonic() + self._limits.blocker_s
        while True:
            assert self._blocking is not None
            found = await self._blocking.blockers(pid)
            if not lane.flights or not found:
                return False
            actors = self._whose.actors_behind(found)
            if actors and self._in_a_circle(lane, actors):
                return False  # a deadlock: the server ends it, and soon
            if actors:
                lane.blocked = True
                for flight in lane.flights:
                    flight.step.blocked_by |= actors
                    self._experience.waits.add(flight.step.boundary.shape)
                return True
            if time.monotonic() > give_up:
                who = await self._blocking.describe(found)
                raise _Disturbed(f"{lane.doing()}, and whoever holds it is no actor: {who}")
            if await self._news_within(self._limits.look_s):
                return False

    def _in_a_circle(self, lane: Lane, actors: set[int]) -> bool:
        seen: set[int] = set()
        ahead = set(actors)
        while ahead:
            actor = ahead.pop()
            if actor == lane.index:
                return len(actors) > 1 or actors != {lane.index}
            if actor not in seen and self._lanes[actor].blocked:
                seen.add(actor)
                for flight in self._lanes[actor].flights:
                    ahead |= flight.step.blocked_by
        return False

    # -- those who come free -------------------------------------------------------------------

    async def _wake(self) -> None:
        """Let whoever has come free since move until he is still, one after another."""
        while True:
            if self._locks_may_be_free():
                for lane in self._lanes:
                    if lane.blocked and not lane.kept:
                        await self._look_again(lane)
            ready = next((lane for lane in self._lanes if self._has_come_free(lane)), None)
            if ready is None:
                return
            await self._until_still(ready)

    def _has_come_free(self, lane: Lane) -> bool:
        if lane.kept:
            return True
        if lane.over or lane.pending or lane.flights:
            return False
        # His connection was closed under a statement that waited, or his response came meanwhile.
        return lane.blocked or (lane.answered and not self._whose.in_transaction(lane))

    def _locks_may_be_free(self) -> bool:
        if not self._steps:
            return False
        step = self._steps[-1]
        reply = step.reply
        return not (
            reply is not None
            and reply.in_transaction
            and not reply.error
            and step.boundary.verb in _KEEPS_LOCKS
            and "unlock" not in step.boundary.text.lower()
        )

    async def _look_again(self, lane: Lane) -> None:
        """Whether a blocked actor still is; if not, wait for his answer (he may be blocked anew)."""
        pid = lane.waits_in_database
        if pid is None or self._blocking is None:
            return
        ended = bool(self._steps) and any(self._steps[-1].lane in one.step.blocked_by for one in lane.flights)
        wait_s = self._limits.wake_s if ended else 0.0
        while not lane.kept and lane.flights:
            if await self._news_within(wait_s):
                continue
            if await self._is_blocked(lane, pid):
                return
            lane.blocked = True
            wait_s = self._limits.first_look_s

    async def _until_something_moves(self) -> None:
        """Nobody can go. A deadlock, a back-off, a lock inside the process: wait, and then say so."""
        give_up = time.monotonic() + self._limits.stuck_s
        while time.monotonic() < give_up:
            if await self._news_within(self._limits.look_s * 4):
                return
            for lane in self._lanes:
                if lane.blocked and not lane.kept:
                    await self._look_again(lane)
            if any(lane.kept or lane.pending for lane in self._lanes):
                return
        raise _Disturbed(f"no wire progress for {self._limits.stuck_s:g} s: {self._doing()}")

    # -- what the gate and the actors say ------------------------------------------------------

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
        if self._learning or not any(other.parked for other in self._lanes if other is not lane):
            self._experience.follows.add((lane.index, lane.last_shape, held.boundary.shape))
        if self._learning and (lane.pending or lane.flights):
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
            flight.step.blocked_until = len(self._steps)
            lane.kept.append(held)
        if reply is not None and not self._free:
            self._heed(lane, boundary, reply)
        self._news.tell()

    def _heed(self, lane: Lane, boundary: Boundary, reply: Reply) -> None:
        """Some errors are of the holding's making and say nothing of the service."""
        at_once = self._blocking is not None and self._blocking.finds_deadlocks_at_once
        if reply.error == _DEADLOCK and lane is not self._whose.moving and at_once:
            # It began to wait less than a millisecond ago, or the machine was busy just then.
            self._disturbed = f"a deadlock killed another than who closed it: {said(boundary)}"
        own_wish = reply.error == "55P03" and "NOWAIT" in boundary.text.upper()
        if reply.error in _TIMED_OUT and not own_wish:
            self._disturbed = f"a time limit struck ({reply.error}): {said(boundary)}"

    def _answered_unasked(self, held: Held) -> None:
        held.deliver()
        for lane in self._lanes:
            if held in lane.pending:  # the service gave it up, and the gate said so in the server's place
                lane.pending.remove(held)
                self._disturbed = self._disturbed or f"given up while it was held: {said(held.boundary)}"
                self._news.tell()

    def closed(self, link: str, connection: int, held: Held | None) -> None:
        """A connection has gone, with what waited on it."""
        if held is not None and not self._free:
            # Nobody injects faults here: a limit of the service's own has struck while we held it.
            self._disturbed = self._disturbed or f"given up while it was held: {said(held.boundary)}"
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
        self._disturbed = (
            self._disturbed or f"the gate cannot follow connection {connection} of {link}: {why}"
        )
        self._news.tell()

    def _responded(self, lane: Lane) -> None:
        lane.answered = True
        self._news.tell()

    # -- whose it is ---------------------------------------------------------------------------

    def _stray(self, held: Held) -> None:
        boundary = held.boundary
        self._strays.append(said(boundary))
        if not self._harmless(boundary):
            self._disturbed = self._disturbed or f"a write that no actor owns: {said(boundary)}"
            self._news.tell()
        held.go()

    # -- news ----------------------------------------------------------------------------------

    async def _news_within(self, seconds: float) -> bool:
        """Whether something has happened since the last time this was asked, or does in time."""
        news = await self._news.within(seconds)
        if self._disturbed:
            raise _Disturbed(self._disturbed)
        return news

    def _doing(self) -> str:
        return "; ".join(lane.doing() for lane in self._lanes)

    # -- afterwards ----------------------------------------------------------------------------

    async def _let_everything_go(self) -> None:
        """Whatever is still held goes on; then the links pass everything again."""
        self._free = True
        for lane in self._lanes:
            while lane.kept:
                lane.kept.pop(0).deliver()
            while lane.pending:
                lane.pending.pop(0).go()
        for link in self._links.values():
            link.gate(None)
        give_up = time.monotonic() + self._limits.stuck_s
        while not all(lane.answered for lane in self._lanes) and time.monotonic() < give_up:
            await self._news.within(self._limits.stuck_s)
        for lane in self._lanes:
            if not lane.answered:
                lane.part.stop()
