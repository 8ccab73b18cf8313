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
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from harness.explore.actors import Part
from harness.explore.blocking import Blocking
from harness.explore.choosing import Choice, Chooser
from harness.explore.fairness import enabled_of, yielding_after
from harness.explore.lane import Flight, Lane, Stepping, Wire, polls_in_vain, said, wire_of
from harness.explore.schedule import is_preemption
from harness.explore.trace import Trace
from harness.explore.tracing import trace_of
from harness.wire.boundary import Boundary, Gatekeeper, Held

# Limits of the service's own that holding trips: statement, transaction and lock time-outs.
_TIMED_OUT = {"57014", "25P03", "55P03", "57P05", "25P04"}
_DEADLOCK = "40P01"
# Statements after which whoever waited for a lock still waits.
_KEEPS_LOCKS = {"SELECT", "INSERT", "UPDATE", "DELETE", "BEGIN"}


@dataclass(frozen=True, slots=True)
class Limits:
    """How long, in seconds, the controller waits for what.

    Args:
        first_look_s: for an answer before PostgreSQL is first asked who blocks.
        waited_before_s: the same where somebody had to wait at such a statement before.
        look_s: between further looks.
        wake_s: for an answer once a lock may have come free, before PostgreSQL is asked again.
        quiet_s: after a response for something more to come.
        late_s: the same of an actor who was seen to do something after his response.
        learning_s: the same while that is being learnt.
        settle_s: for the rest of what an actor sends at once.
        nested_s: for an answer while its actor is already held at another boundary.
        progress_s: for anything at the wire from the moving actor before he is parked.
        parked_before_s: the same where he was parked at the same place before.
        blocker_s: for a blocker that is no actor.
        stuck_s: for anything at all when nobody can go.
        schedule_s: for a whole schedule.
    """

    first_look_s: float = 0.002
    waited_before_s: float = 0.0015
    look_s: float = 0.003
    wake_s: float = 0.0007
    quiet_s: float = 0.0003
    late_s: float = 0.002
    learning_s: float = 0.01
    settle_s: float = 0.002
    nested_s: float = 0.005
    progress_s: float = 0.5
    parked_before_s: float = 0.05
    blocker_s: float = 2.0
    stuck_s: float = 2.0
    schedule_s: float = 15.0


class GatedLink(Protocol):
    """A link with a gate; `harness.wire.link.RelayLink` is one."""

    @property
    def name(self) -> str: ...

    def gate(self, keeper: Gatekeeper | None) -> None: ...


@dataclass(slots=True)
class Experience:
    """What earlier schedules of one exploration have taught.

    Args:
        gathers: actors that send several messages at once.
        parks: (actor, shape) after which one was parked.
        waits: shapes at which somebody had to wait for a lock.
        late: actors that do something after their response.
        follows: (actor, shape, shape) that came one after another while nobody else could be meant.
    """

    gathers: set[int] = field(default_factory=set)
    parks: set[tuple[int, str]] = field(default_factory=set)
    waits: set[str] = field(default_factory=set)
    late: set[int] = field(default_factory=set)
    follows: set[tuple[int, str, str]] = field(default_factory=set)

    def expects(self, lane: Lane, boundary: Boundary) -> bool:
        """Whether this has been seen to come next from an actor."""
        return (lane.index, lane.last_shape, boundary.shape) in self.follows


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
        self._moving: Lane | None = None
        self._moved_last: Lane | None = None
        self._flights: dict[int, tuple[Lane, Flight]] = {}
        self._last_on: dict[Wire, Lane] = {}
        self._open: dict[Wire, Lane] = {}
        self._wires_by_pid: dict[int, Wire] = {}
        self._free = False
        self._news = False
        self._waiter: asyncio.Future[bool] | None = None
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
            self._moving = lane
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
        boundary, wire = held.boundary, wire_of(held.boundary)
        flight = Flight(held, step)
        lane.latest = step
        lane.flights.append(flight)
        self._flights[id(held)] = lane, flight
        self._last_on[wire] = lane
        if boundary.backend_pid is not None:
            self._wires_by_pid[boundary.backend_pid] = wire
        self._moving = lane
        held.go()

    # -- until an actor is still ---------------------------------------------------------------

    async def _until_still(self, lane: Lane) -> None:
        """Let one actor move until he is held, over, blocked or parked."""
        limits = self._limits
        self._moving = self._moved_last = lane
        lane.parked = lane.blocked = False
        while lane.kept:
            lane.kept.pop(0).deliver()
        look_s, patience_s = self._first_look_s(lane), self._patience_s(lane)
        while True:
            if lane.pending:
                if lane.flights and await self._news_within(limits.nested_s):
                    continue
                if not lane.flights and lane.gathers and await self._news_within(limits.settle_s):
                    continue
                break
            if lane.answered and not lane.flights and lane not in self._open.values():
                if await self._news_within(self._quiet_s(lane)):
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
        self._moving = None

    def _first_look_s(self, lane: Lane) -> float:
        waited = lane.last_shape in self._experience.waits
        return self._limits.waited_before_s if waited else self._limits.first_look_s

    def _quiet_s(self, lane: Lane) -> float:
        if self._learning:
            return self._limits.learning_s
        return self._limits.late_s if lane.index in self._experience.late else self._limits.quiet_s

    def _patience_s(self, lane: Lane) -> float:
        known = (lane.index, lane.last_shape) in self._experience.parks
        return self._limits.parked_before_s if known else self._limits.progress_s

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
            actors = self._actors_behind(found)
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

    def _actors_behind(self, pids: Iterable[int]) -> set[int]:
        wires = (self._wires_by_pid.get(pid) for pid in pids)
        return {self._last_on[wire].index for wire in wires if wire in self._last_on}

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
        return lane.blocked or (lane.answered and lane not in self._open.values())

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
        lane = self._owner(held.boundary)
        if lane is None:
            self._stray(held)
            return
        self._last_on[wire_of(held.boundary)] = lane
        if self._learning or not any(other.parked for other in self._lanes if other is not lane):
            self._experience.follows.add((lane.index, lane.last_shape, held.boundary.shape))
        if self._learning and (lane.pending or lane.flights):
            lane.gathers = True
            self._experience.gathers.add(lane.index)
        if lane.answered:
            self._experience.late.add(lane.index)
        lane.pending.append(held)
        lane.parked = lane.over = False
        self._tell()

    def answers(self, held: Held) -> None:
        """An answer is whole: its actor gets it at once if he is moving, else when he is."""
        lane, flight = self._flights.pop(id(held), (None, None))
        reply, boundary = held.reply, held.boundary
        if lane is None or flight is None:
            self._answered_unasked(held)
            return
        lane.flights.remove(flight)
        flight.step.reply = reply
        if reply is not None and reply.in_transaction:
            self._open[wire_of(boundary)] = lane
        else:
            self._open.pop(wire_of(boundary), None)
        if lane is self._moving or self._free:
            held.deliver()
        else:
            if flight.step.blocked_by or lane.blocked:
                flight.step.blocked_until = len(self._steps)
            lane.kept.append(held)
        if reply is not None and reply.error == _DEADLOCK and lane is not self._moving and self._decides():
            # It began to wait less than a millisecond ago, or the machine was busy just then.
            self._disturbed = f"a deadlock killed another than who closed it: {said(boundary)}"
        if reply is not None and reply.error in _TIMED_OUT and not self._free:
            own = reply.error == "55P03" and "NOWAIT" in boundary.text.upper()
            if not own:
                self._disturbed = f"a time limit struck ({reply.error}): {said(boundary)}"
        self._tell()

    def _decides(self) -> bool:
        return self._blocking is not None and self._blocking.finds_deadlocks_at_once

    def _answered_unasked(self, held: Held) -> None:
        held.deliver()
        for lane in self._lanes:
            if held in lane.pending:  # the service gave it up, and the gate said so in the server's place
                lane.pending.remove(held)
                self._disturbed = self._disturbed or f"given up while it was held: {said(held.boundary)}"
                self._tell()

    def closed(self, link: str, connection: int, held: Held | None) -> None:
        """A connection has gone, with what waited on it."""
        if held is not None and not self._free:
            # Nobody injects faults here: a limit of the service's own has struck while we held it.
            self._disturbed = self._disturbed or f"given up while it was held: {said(held.boundary)}"
        self._open.pop((link, connection), None)
        self._last_on.pop((link, connection), None)
        for lane in self._lanes:
            lane.pending = [one for one in lane.pending if wire_of(one.boundary) != (link, connection)]
            lane.kept = [one for one in lane.kept if wire_of(one.boundary) != (link, connection)]
            for flight in list(lane.flights):
                if wire_of(flight.held.boundary) == (link, connection):
                    lane.flights.remove(flight)
                    self._flights.pop(id(flight.held), None)
        self._tell()

    def broken(self, link: str, connection: int, why: str) -> None:
        """The gate cannot follow a connection: nothing may be concluded."""
        self._disturbed = (
            self._disturbed or f"the gate cannot follow connection {connection} of {link}: {why}"
        )
        self._tell()

    def _responded(self, lane: Lane) -> None:
        lane.answered = True
        self._tell()

    # -- whose it is ---------------------------------------------------------------------------

    def _owner(self, boundary: Boundary) -> Lane | None:
        if boundary.in_transaction:
            return self._last_on.get(wire_of(boundary))
        moving = self._moving
        if self._learning:
            return moving or self._moved_last
        busy = moving is not None and (moving.pending or moving.flights) and not moving.gathers
        # One who is waited for no longer may come free at any time, inside the process.
        parked = [lane for lane in self._lanes if lane.parked and not lane.over]
        if moving is not None and not busy and not moving.answered:
            if self._experience.expects(moving, boundary):
                return moving
            return next((lane for lane in parked if self._experience.expects(lane, boundary)), moving)
        if parked:
            return parked[0]
        if moving is not None:
            return None if busy else moving
        last = self._moved_last
        if last is None or ((last.pending or last.flights) and not last.gathers):
            return None
        return last

    def _stray(self, held: Held) -> None:
        boundary = held.boundary
        self._strays.append(said(boundary))
        if not self._harmless(boundary):
            self._disturbed = self._disturbed or f"a write that no actor owns: {said(boundary)}"
            self._tell()
        held.go()

    # -- news ----------------------------------------------------------------------------------

    def _tell(self) -> None:
        self._news = True
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(True)

    async def _news_within(self, seconds: float) -> bool:
        """Whether something has happened since the last time this was asked, or does in time."""
        news = await self._wait(seconds)
        if self._disturbed:
            raise _Disturbed(self._disturbed)
        return news

    async def _wait(self, seconds: float) -> bool:
        if not self._news:
            loop = asyncio.get_running_loop()
            waiter = self._waiter = loop.create_future()
            timer = loop.call_later(seconds, _give_up, waiter)
            try:
                await waiter
            finally:
                timer.cancel()
                self._waiter = None
        news, self._news = self._news, False
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
            await self._wait(self._limits.stuck_s)
        for lane in self._lanes:
            if not lane.answered:
                lane.part.stop()


def _give_up(waiter: asyncio.Future[bool]) -> None:
    if not waiter.done():
        waiter.set_result(False)
