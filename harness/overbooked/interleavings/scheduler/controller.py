"""Runs one schedule, one actor at a time.

The controller runs in the relay's thread and reacts to events: a boundary arrives, an answer is complete, a
response is read. Timeouts are used only where there is no event: a statement may wait for a lock (then
PostgreSQL is queried), an actor may send nothing more, or there may be no progress at all.

An actor begins when it is first scheduled: its request is sent then, not before, so an operation that ends
before another actor is scheduled precedes that actor's operation. The beginning is a step of its own.

An actor runs until it is *still*: held at its next boundary, ended, blocked by another actor, or without
progress at the wire. An answer to an actor that is not running is kept until it runs, so that two never run
concurrently.
"""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from overbooked.interleavings.scheduler.actor_state import (
    ActorState,
    ExecutedStep,
    beginning_of,
    is_futile_poll,
)
from overbooked.interleavings.scheduler.actors import ActorTask
from overbooked.interleavings.scheduler.attribution import Attribution
from overbooked.interleavings.scheduler.gatekeeper import GatedLink, ScheduleDisturbed, SchedulingGatekeeper
from overbooked.interleavings.scheduler.lock_waits import LockWaits
from overbooked.interleavings.scheduler.pg_blocking import LockInspector
from overbooked.interleavings.scheduler.strategy import SchedulingPoint, Strategy
from overbooked.interleavings.scheduler.timeouts import LearnedBehaviour, Timeouts
from overbooked.interleavings.scheduler.trace_builder import trace_of
from overbooked.interleavings.search.fairness import enabled_of, yielding_after
from overbooked.interleavings.search.schedule import is_preemption
from overbooked.traces.trace import Trace
from overbooked.wire.gate.boundary import Boundary


@dataclass(frozen=True, slots=True)
class ScheduleRun:
    """The result of one schedule: its trace, its executed steps with boundaries and replies, and its duration
    in seconds, from the start of the first actor to the end of the last."""

    trace: Trace
    steps: Sequence[ExecutedStep]
    seconds: float


class Controller:
    """One schedule, from the start of its actors to the end of the last; used once.

    Args:
        parts: the tasks of the actors, in order.
        links: the links whose boundaries are held.
        choose: the strategy.
        blocking: queries lock waits in the database; None: there is no database.
        limits: the timeouts.
        experience: the behaviour learnt by the schedules of one exploration.
        harmless: returns whether a boundary without an owning actor changes nothing.
        learning: start each actor after the previous one has ended. Then every boundary belongs to that
            actor, and shows whether it sends several at once.
        splits: returns whether the commit of an autocommit statement is a separate step; None: never, and
            the end of a session is not a step either.
        within_a_block: returns whether the called procedures contain no COMMIT.
        begins_apart: whether the beginning of an actor is a step; else all begin before the first step.
    """

    def __init__(
        self,
        parts: Sequence[ActorTask],
        links: Mapping[str, GatedLink],
        choose: Strategy,
        *,
        blocking: LockInspector | None = None,
        limits: Timeouts | None = None,
        experience: LearnedBehaviour | None = None,
        harmless: Callable[[Boundary], bool] = lambda _: False,
        learning: bool = False,
        splits: Callable[[Boundary], bool] | None = None,
        within_a_block: Callable[[Boundary], bool] = lambda _: False,
        begins_apart: bool = False,
    ) -> None:
        self._begins_apart = begins_apart
        self._lanes = [ActorState(n, part) for n, part in enumerate(parts)]
        self._choose = choose
        self._limits = limits or Timeouts()
        self._experience = experience or LearnedBehaviour()
        for lane in self._lanes:
            lane.gathers = lane.index in self._experience.gathers
        self._learning = learning
        self._whose = Attribution(self._lanes, self._experience, learning=learning)
        self._holding = SchedulingGatekeeper(
            self._lanes,
            self._whose,
            self._experience,
            links.values(),
            deadlocks_at_once=blocking is not None and blocking.finds_deadlocks_at_once,
            harmless=harmless,
            learning=learning,
            splits=splits,
            within_a_block=within_a_block,
        )
        self._waiting = LockWaits(
            self._lanes, self._whose, self._holding, blocking, self._limits, self._experience
        )
        self._yielding: frozenset[int] = frozenset()

    # -- the schedule --------------------------------------------------------------------------

    async def run(self) -> ScheduleRun:
        """Run the schedule, in the relay's thread.

        Raises:
            HarnessError: the schedule cannot be followed, or the harness failed.
        """
        holding = self._holding
        holding.engage()
        started = time.monotonic()
        try:
            async with asyncio.timeout(self._limits.schedule_s) as deadline:
                await self._play()
        except ScheduleDisturbed as why:
            holding.disturbed = holding.disturbed or str(why)
        except TimeoutError:
            if not deadline.expired():
                raise
            holding.disturbed = f"not over within {self._limits.schedule_s:g} s: {holding.doing()}"
        finally:
            seconds = time.monotonic() - started
            await holding.release(self._limits.stuck_s)
        for lane in self._lanes:
            if lane.part.failed is not None:
                raise lane.part.failed
        notes: dict[str, object] = {}
        if holding.strays:
            notes["strays"] = sorted(set(holding.strays))
        if yielded := sum(step.yields for step in holding.steps):
            notes["yielded"] = yielded
        if holding.unsplit:
            notes["unsplit"] = sorted(holding.unsplit)
        trace = trace_of(self._lanes, holding.steps, holding.disturbed, notes)
        return ScheduleRun(trace, tuple(holding.steps), seconds)

    async def _play(self) -> None:
        for lane in () if self._begins_apart else self._lanes:
            self._holding.begin(lane, None)
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
                await self._waiting.until_something_moves()

    def _enabled(self) -> tuple[int, ...]:
        able = (lane.index for lane in self._lanes if lane.pending or self._can_begin(lane))
        return enabled_of(able, self._yielding)

    def _can_begin(self, lane: ActorState) -> bool:
        return self._begins_apart and not lane.begun

    async def _step(self, enabled: tuple[int, ...]) -> None:
        steps = self._holding.steps
        running = steps[-1].lane if steps else None
        held = {n: self._coming(self._lanes[n]) for n in enabled}
        chosen = self._choose.next(SchedulingPoint(len(steps), enabled, running, held))
        if inspect.isawaitable(chosen):
            chosen = await chosen
        lane = self._lanes[chosen]
        preempted = is_preemption(chosen, enabled, running)
        if self._can_begin(lane):
            self._holding.begin(lane, ExecutedStep(chosen, beginning_of(chosen), enabled, preempted))
            await self._until_still(lane)
            self._yielding = yielding_after(self._yielding, chosen, yields=False)
            return
        if not lane.pending:
            return  # the connection was closed while the user was asked
        going = lane.take()
        step = ExecutedStep(chosen, going.boundary, enabled, preempted)
        self._holding.release_step(lane, step, going)
        await self._until_still(lane)
        coming = lane.pending[0].boundary if lane.pending else None
        deed = lane.done(step)
        if deed is not None:
            usual = self._experience.usual_repeats(chosen, deed.boundary.shape)
            step.yields = is_futile_poll(deed, lane.former, coming, usual=usual)
            if self._learning:
                self._experience.learn_repeats(chosen, deed.boundary.shape, deed.repeated)
        self._yielding = yielding_after(self._yielding, chosen, yields=step.yields)

    @staticmethod
    def _coming(lane: ActorState) -> Boundary:
        return lane.pending[0].boundary if lane.pending else beginning_of(lane.index)

    async def _wake(self) -> None:
        """Run each actor that was unblocked meanwhile until it is still, sequentially."""
        while True:
            await self._waiting.look_again()
            ready = next((lane for lane in self._lanes if self._waiting.has_come_free(lane)), None)
            if ready is None:
                return
            await self._until_still(ready)

    # -- until an actor is still ---------------------------------------------------------------

    async def _until_still(self, lane: ActorState) -> None:
        """Run one actor until it is held, over, blocked or parked."""
        self._whose.moving = self._whose.moved_last = lane
        lane.parked = lane.blocked = False
        while lane.kept:
            lane.kept.pop(0).deliver()
        limits, known = self._limits, self._experience
        look_s, patience_s = known.first_look_s(lane, limits), known.patience_s(lane, limits)
        quiet_s = limits.learning_s if self._learning else known.quiet_s(lane, limits)
        while True:
            if lane.pending:
                if await self._more_comes_to(lane):
                    continue
                break
            if lane.answered and not lane.flights and not self._whose.in_transaction(lane):
                if await self._holding.wait_for_event(quiet_s):
                    continue
                lane.over = True
                break
            if not self._waiting.asks_of(lane):
                if not await self._holding.wait_for_event(patience_s):
                    self._park(lane)
                    break
            elif not await self._holding.wait_for_event(look_s):
                if await self._waiting.is_blocked(lane):
                    break
                look_s = limits.look_s
        self._whose.moving = None

    async def _more_comes_to(self, lane: ActorState) -> bool:
        """Return whether there is an event for a held actor: an answer, another message, its response."""
        limits, known = self._limits, self._experience
        if lane.flights:
            return await self._holding.wait_for_event(limits.nested_s)
        if lane.gathers and await self._holding.wait_for_event(limits.settle_s):
            return True
        if not lane.only_ends_sessions or not await self._holding.wait_for_event(known.end_s(lane, limits)):
            return False
        if lane.answered:
            known.ends.add(lane.last_shape)
        return True

    def _park(self, lane: ActorState) -> None:
        lane.parked = True
        if lane.latest is not None:
            lane.latest.parked = True
        self._experience.parks.add((lane.index, lane.last_shape))
