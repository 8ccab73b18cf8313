"""Runs one schedule: lets one actor move at a time.

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

from overbooked.interleavings.scheduler.actor_state import Lane, Stepping, polls_in_vain
from overbooked.interleavings.scheduler.actors import Part
from overbooked.interleavings.scheduler.attribution import Ownership
from overbooked.interleavings.scheduler.gatekeeper import Disturbed, GatedLink, Holding
from overbooked.interleavings.scheduler.lock_waits import Waiting
from overbooked.interleavings.scheduler.pg_blocking import Blocking
from overbooked.interleavings.scheduler.strategy import Choice, Chooser
from overbooked.interleavings.scheduler.timeouts import Experience, Limits
from overbooked.interleavings.scheduler.trace_builder import trace_of
from overbooked.interleavings.search.fairness import enabled_of, yielding_after
from overbooked.interleavings.search.schedule import is_preemption
from overbooked.traces.trace import Trace
from overbooked.wire.gate.boundary import Boundary


@dataclass(frozen=True, slots=True)
class Scheduled:
    """What came of one schedule: its trace, the steps with boundaries and replies as they were, and how
    many seconds it took from the first actor's start to the last one's end."""

    trace: Trace
    steps: Sequence[Stepping]
    seconds: float


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
        splits: whether the commit of an autocommit statement is a step of its own; None: none is, and
            the end of a session is no step either.
        within_a_block: whether the procedures that are called commit nothing.
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
        splits: Callable[[Boundary], bool] | None = None,
        within_a_block: Callable[[Boundary], bool] = lambda _: False,
    ) -> None:
        self._lanes = [Lane(n, part) for n, part in enumerate(parts)]
        self._choose = choose
        self._limits = limits or Limits()
        self._experience = experience or Experience()
        for lane in self._lanes:
            lane.gathers = lane.index in self._experience.gathers
        self._learning = learning
        self._whose = Ownership(self._lanes, self._experience, learning=learning)
        self._holding = Holding(
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
        self._waiting = Waiting(
            self._lanes, self._whose, self._holding, blocking, self._limits, self._experience
        )
        self._yielding: frozenset[int] = frozenset()

    # -- the whole of it -----------------------------------------------------------------------

    async def run(self) -> Scheduled:
        """Run the schedule and say what happened; in the relay's thread.

        Raises:
            HarnessError: the schedule cannot be followed, or the harness's own part of it failed.
        """
        holding = self._holding
        holding.engage()
        started = time.monotonic()
        try:
            async with asyncio.timeout(self._limits.schedule_s) as deadline:
                await self._play()
        except Disturbed as why:
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
        return Scheduled(trace, tuple(holding.steps), seconds)

    async def _play(self) -> None:
        for lane in self._lanes:
            self._whose.moving = lane
            lane.begun = True
            lane.part.start(partial(self._holding.responded, lane))
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
        return enabled_of((lane.index for lane in self._lanes if lane.pending), self._yielding)

    async def _step(self, enabled: tuple[int, ...]) -> None:
        steps = self._holding.steps
        running = steps[-1].lane if steps else None
        held = {n: self._lanes[n].pending[0].boundary for n in enabled}
        chosen = self._choose(Choice(len(steps), enabled, running, held))
        if inspect.isawaitable(chosen):
            chosen = await chosen
        lane = self._lanes[chosen]
        if not lane.pending:
            return  # its connection went while somebody thought
        preempted = is_preemption(chosen, enabled, running)
        going = lane.take()
        step = Stepping(chosen, going.boundary, enabled, preempted)
        self._holding.set_out(lane, step, going)
        await self._until_still(lane)
        coming = lane.pending[0].boundary if lane.pending else None
        deed = lane.done(step)
        if deed is not None:
            usual = self._experience.usual_repeats(chosen, deed.boundary.shape)
            step.yields = polls_in_vain(deed, lane.former, coming, usual=usual)
            if self._learning:
                self._experience.learn_repeats(chosen, deed.boundary.shape, deed.repeated)
        self._yielding = yielding_after(self._yielding, chosen, yields=step.yields)

    async def _wake(self) -> None:
        """Let whoever has come free since move until he is still, one after another."""
        while True:
            await self._waiting.look_again()
            ready = next((lane for lane in self._lanes if self._waiting.has_come_free(lane)), None)
            if ready is None:
                return
            await self._until_still(ready)

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
                if lane.flights and await self._holding.news_within(limits.nested_s):
                    continue
                if not lane.flights and lane.gathers and await self._holding.news_within(limits.settle_s):
                    continue
                break
            if lane.answered and not lane.flights and not self._whose.in_transaction(lane):
                if await self._holding.news_within(quiet_s):
                    continue
                lane.over = True
                break
            if not self._waiting.asks_of(lane):
                if not await self._holding.news_within(patience_s):
                    self._park(lane)
                    break
            elif not await self._holding.news_within(look_s):
                if await self._waiting.is_blocked(lane):
                    break
                look_s = limits.look_s
        self._whose.moving = None

    def _park(self, lane: Lane) -> None:
        lane.parked = True
        if lane.latest is not None:
            lane.latest.parked = True
        self._experience.parks.add((lane.index, lane.last_shape))
