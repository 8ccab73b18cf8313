"""Explores a race: one schedule after another, until none is left, time is up or something is found.

The search (`search.search`) says which schedules there are, and the runner runs one. Here they meet: a
schedule that was disturbed, or that began in another state than those before it, is run again and never
judged; a check that finds something ends the exploration.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Protocol

from overbooked.errors import GapFound, HarnessError
from overbooked.interleavings.allowance import Allowance, Ask, endless
from overbooked.interleavings.paths import Paths, Witness
from overbooked.interleavings.results import Explored, Violation
from overbooked.interleavings.scheduler.actor_state import Stepping
from overbooked.interleavings.scheduler.controller import Scheduled
from overbooked.interleavings.scheduler.race import Ran
from overbooked.interleavings.scheduler.strategy import Choice, Chooser, ScheduleGone, following
from overbooked.interleavings.scheduler.timeouts import Experience
from overbooked.interleavings.search.schedule import Step
from overbooked.interleavings.search.search import Search
from overbooked.interleavings.shrinker import Spare, simplified
from overbooked.traces.trace import Trace

# How often a schedule is tried before the race is given up as not to be judged.
TRIES = 3
# How often an exploration is begun anew, at most, where schedules could not be run undisturbed.
FRESH_STARTS = 2
# Between two tries.
REST_S = 1.1


class NothingConcluded(HarnessError):
    """An exploration that shows neither that a race is safe nor that it is not."""


class Play(Protocol):
    """Makes a fresh race and runs one schedule of it."""

    def __call__(
        self, choose: Chooser, *, experience: Experience, learning: bool = False
    ) -> Awaitable[tuple[Ran, Scheduled]]: ...


Steps = Callable[[Sequence[Stepping]], Sequence[Step]]


class Exploration:
    """One race, explored.

    Args:
        play: runs one schedule of a fresh race.
        check: what a schedule's outcome shows; None: nothing wrong.
        steps: what the search is told of the steps taken.
        actors: how many take part.
        preemptions: at most; None: any number.
        reduce: leave out schedules that differ in nothing.
        schedules: at most.
        seed: of the order in which schedules with as many preemptions are run; not of which are.
        shard: (i, n), from 1: explore only the i-th of n disjoint parts, which together are the whole.
        spare: what making a violation smaller may cost.
        told: called for every schedule that was run and judged.
        ask: for more time, as the space turns out larger.
    """

    def __init__(
        self,
        play: Play,
        check: Callable[[Ran], Awaitable[GapFound | None]],
        steps: Steps,
        *,
        actors: int,
        preemptions: int | None,
        reduce: bool = True,
        schedules: int = 100_000,
        seed: int = 0,
        shard: tuple[int, int] = (1, 1),
        spare: Spare | None = None,
        told: Callable[[Ran], None] = lambda _: None,
        ask: Ask = endless,
    ) -> None:
        self._play = play
        self._check = check
        self._steps = steps
        self._schedules = schedules
        self._seed = seed
        self._spare = spare or Spare()
        self._told = told
        self._allowance = Allowance(ask)
        self._paths = Paths()
        self._departures: list[str] = []
        self._experience = Experience()
        self.explored = Explored(actors, preemptions, reduce, shard=shard)

    async def run(self) -> Explored:
        """Warm up, explore, and make what was found as small as can be."""
        await self.warm_up()
        explored = self.explored
        for _ in range(FRESH_STARTS):
            search = Search(
                explored.actors,
                preemptions=explored.bound,
                reduce=explored.reduced,
                limit=self._schedules - explored.schedules,
                seed=self._seed,
                shard=explored.shard,
            )
            await self._search(search)
            explored.exhausted = search.exhausted
            explored.left = (*dict.fromkeys(self._departures), *search.notes)
            explored.waiting = search.counts.waiting
            if explored.out_of_time or not search.counts.skipped:
                break
        return explored

    async def _search(self, search: Search) -> None:
        """Go on until nothing is left, something was found, or the search has lost its way.

        What was learnt from a run that began in another state than all others makes every later one
        seem to diverge; then it is better to begin anew than to leave out what lies behind.
        """
        explored = self.explored
        while not (explored.violation or search.counts.skipped):
            prefix = search.next()
            if prefix is None:
                return
            try:
                ran, scheduled = await self._run(following(prefix.actors), prefix.actors)
            except NothingConcluded as error:
                search.disturbed(str(error))
                continue
            steps = self._steps(scheduled.steps)
            explored.wrote |= any(step.footprint.everything or step.footprint.writes for step in steps)
            if not search.learn(steps):
                explored.again += 1
                self._departed(ran.trace)
            elif prefix.scout:
                explored.scouts += 1  # another shard counts and judges it
                continue
            else:
                explored.count(ran)
                self._told(ran)
                self._paths.learn(ran.trace)
            found = await self._check(ran)
            if found is None and not self._allowance.reaches(search.counts.waiting):
                explored.out_of_time = not search.exhausted
                return
            if found is not None:
                # Those with fewer preemptions come first, so that none of them shows it.
                all_before = explored.shard == (1, 1) and not search.counts.skipped
                at_least = prefix.preemptions if all_before else 0
                violation = Violation(found, ran, scheduled, explored.schedules)
                explored.violation = await self._smaller(violation, at_least)

    async def _smaller(self, violation: Violation, at_least: int) -> Violation:
        return await simplified(
            violation,
            self._once,
            self._check,
            self._steps,
            actors=self.explored.actors,
            at_least=at_least,
            spare=self._spare,
        )

    def _departed(self, trace: Trace) -> None:
        """Name the statement by which a schedule left the ways that are known."""
        found = {n: [step.shape for step in trace.of(n)] for n in range(len(trace.actors))}
        if left := self._paths.departure([actor.name for actor in trace.actors], found):
            self._departures.append(left)
        self._paths.learn(trace)

    async def _once(self, choose: Chooser) -> tuple[Ran, Scheduled] | None:
        ran, scheduled = await self._play(choose, experience=self._experience)
        return None if ran.trace.disturbed else (ran, scheduled)

    async def warm_up(self) -> None:
        """Fill pools and caches, and learn who sends several at once; none of it is judged."""
        experience = self._experience
        await self._play(following(()), experience=experience, learning=True)
        # In turns, so that as many connections are open as ever will be.
        await self._play(lambda choice: _in_turn(choice.enabled, choice.running), experience=experience)
        # Each first for once: what a service does only at a customer's first success is over then.
        for first in range(1, self.explored.actors):
            await self._play(partial(_led_by, first), experience=experience)
        await self._play(following(()), experience=experience, learning=True)

    async def only(self, choose: Chooser, schedule: Sequence[int] = ()) -> None:
        """Run and judge one schedule, and no other; see `follow`."""
        ran, scheduled = await self._run(choose, schedule)
        self.explored.count(ran)
        self._told(ran)
        found = await self._check(ran)
        if found is not None:
            self.explored.violation = Violation(found, ran, scheduled, 0)

    async def follow(self, choose: Chooser, schedule: Sequence[int] = ()) -> Ran:
        """Run one schedule on a fresh race, again if it was disturbed.

        Args:
            choose: who goes next.
            schedule: what it follows, for messages.

        Raises:
            NothingConcluded: it was disturbed, or could not be followed, every time.
        """
        ran, _ = await self._run(choose, schedule)
        return ran

    async def _run(self, choose: Chooser, schedule: Sequence[int]) -> tuple[Ran, Scheduled]:
        why = ""
        for _ in range(TRIES):
            witness = Witness(choose)
            try:
                ran, scheduled = await self._play(witness, experience=self._experience)
            except ScheduleGone as error:
                last = self.explored.last
                names = [actor.name for actor in last.trace.actors] if last else ()
                left = self._paths.departure(names, witness.paths())
                why = f"{error}; {left}" if left else str(error)
            else:
                if not ran.trace.disturbed:
                    self.explored.seconds += scheduled.seconds
                    return ran, scheduled
                why = ran.trace.disturbed
            self.explored.again += 1
            # A service that gave something up may leave it alone for a while: its breakers, its back-off.
            await asyncio.sleep(REST_S)
        raise NothingConcluded(
            f"schedule {list(schedule)} of this race was tried {TRIES} times and never ran undisturbed: {why}"
        )


def _led_by(first: int, choice: Choice) -> int:
    return first if first in choice.enabled else choice.usual


def _in_turn(enabled: Sequence[int], running: int | None) -> int:
    after = [actor for actor in enabled if running is not None and actor > running]
    return after[0] if after else enabled[0]
