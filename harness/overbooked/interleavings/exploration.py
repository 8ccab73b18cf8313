"""Explores a race: runs schedule after schedule until none is left, time is up or there is a finding.

The search (`search.search`) enumerates the schedules, and the runner runs them. A disturbed schedule is run
again and never judged. A finding ends the exploration.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from functools import partial
from itertools import combinations
from typing import Protocol

from overbooked.errors import GapFound, HarnessError
from overbooked.interleavings.allowance import Allowance, Ask, endless
from overbooked.interleavings.paths import Paths, Witness
from overbooked.interleavings.results import ExplorationResult, Violation
from overbooked.interleavings.scheduler.actor_state import ExecutedStep
from overbooked.interleavings.scheduler.controller import ScheduleRun
from overbooked.interleavings.scheduler.race import RaceResult
from overbooked.interleavings.scheduler.strategy import (
    ByFunction,
    ScheduleDiverged,
    SchedulingPoint,
    Strategy,
)
from overbooked.interleavings.scheduler.timeouts import LearnedBehaviour
from overbooked.interleavings.search.schedule import Step
from overbooked.interleavings.search.search import ScheduleSearch
from overbooked.interleavings.shrinker import ShrinkBudget, shrink
from overbooked.interleavings.strategies.exhaustive import Exhaustive
from overbooked.interleavings.strategies.replay import Replay
from overbooked.interleavings.strategies.sampling import Sampling
from overbooked.traces.trace import Trace

# Maximum number of tries of a schedule; if all fail, it is inconclusive.
TRIES = 3
# Maximum number of starts of an exploration; it restarts if schedules could not be run undisturbed.
FRESH_STARTS = 2
# Seconds between two tries.
REST_S = 1.1


class Inconclusive(HarnessError):
    """An exploration shows neither that a race is safe nor that it is unsafe."""


class RunSchedule(Protocol):
    """A function that prepares a fresh race and runs one schedule of it."""

    def __call__(
        self, choose: Strategy, *, experience: LearnedBehaviour, learning: bool = False
    ) -> Awaitable[tuple[RaceResult, ScheduleRun]]: ...


Steps = Callable[[Sequence[ExecutedStep]], Sequence[Step]]


class Exploration:
    """The exploration of one race.

    Args:
        play: runs one schedule of a fresh race.
        check: judges a result; None: no finding.
        steps: converts executed steps for the search.
        actors: number of actors.
        preemptions: maximum number; None: unlimited.
        reduce: skip schedules that are equivalent to one that was run.
        schedules: maximum number.
        seed: determines the order of schedules with equally many preemptions, not which ones are run.
        shard: (i, n), from 1: explore only the i-th of n disjoint parts of the whole.
        spare: the budget for shrinking.
        told: called for every schedule after its run and before it is judged.
        ask: requests more time if the space is larger than expected.
    """

    def __init__(
        self,
        play: RunSchedule,
        check: Callable[[RaceResult], Awaitable[GapFound | None]],
        steps: Steps,
        *,
        actors: int,
        preemptions: int | None,
        reduce: bool = True,
        schedules: int = 100_000,
        seed: int = 0,
        shard: tuple[int, int] = (1, 1),
        spare: ShrinkBudget | None = None,
        told: Callable[[RaceResult], None] = lambda _: None,
        ask: Ask = endless,
    ) -> None:
        self._play = play
        self._check = check
        self._convert = steps
        # Whether the state inside the processes may make any step and a beginning dependent.
        self._opaque = False
        self._schedules = schedules
        self._seed = seed
        self._spare = spare or ShrinkBudget()
        self._told = told
        self._allowance = Allowance(ask)
        self._paths = Paths()
        self._departures: list[str] = []
        self._warm_steps = 1
        self._experience = LearnedBehaviour()
        self.explored = ExplorationResult(actors, preemptions, reduce, shard=shard)

    async def run(self) -> ExplorationResult:
        """Warm up, explore, and shrink a finding."""
        await self.warm_up()
        explored = self.explored
        for start in range(FRESH_STARTS):
            self._opaque |= start > 0 or bool(self._experience.parks)
            search = ScheduleSearch(
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

    async def _search(self, search: ScheduleSearch) -> None:
        """Run schedules until none is left, there is a finding, or most runs diverge.

        If the search learnt from a run that began in a different state than the others, every later run
        seems to diverge. Then the search is restarted instead of skipping the rest.
        """
        explored = self.explored
        while not (explored.violation or search.counts.skipped):
            prefix = search.next()
            if prefix is None:
                return
            try:
                ran, scheduled = await self._run(Exhaustive(prefix), prefix.actors)
            except Inconclusive as error:
                search.disturbed(str(error))
                continue
            steps = self._steps(scheduled.steps)
            self._look_at(steps)
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
                # Schedules with fewer preemptions ran before, so none of them shows the finding.
                all_before = explored.shard == (1, 1) and not search.counts.skipped
                at_least = prefix.preemptions if all_before else 0
                violation = Violation(found, ran, scheduled, explored.schedules)
                explored.violation = await self._smaller(violation, at_least)

    def _steps(self, executed: Sequence[ExecutedStep]) -> list[Step]:
        """Convert executed steps for the search.

        A beginning and a statement of another actor are independent, unless the actors meet inside a
        process: one waits for the other there (it was parked), or finds what the other left there (runs
        diverged). Then every order of a beginning is searched.
        """
        steps = list(self._convert(executed))
        return (
            [replace(step, opaque=True) if step.begins else step for step in steps] if self._opaque else steps
        )

    async def sample(self, sampling: Sampling) -> ExplorationResult:
        """Warm up, run the schedules that a strategy draws, and shrink a finding. It never exhausts the
        space."""
        explored = self.explored
        explored.sampled, explored.wanted = str(sampling), sampling.schedules
        await self.warm_up()
        for number in range(1, sampling.schedules + 1):
            steps = max(explored.longest, self._warm_steps)
            strategy = sampling.strategy(number, actors=explored.actors, steps=steps)
            ran, scheduled = await self._run(strategy, ())
            self._look_at(self._steps(scheduled.steps))
            explored.count(ran)
            self._told(ran)
            self._paths.learn(ran.trace)
            found = await self._check(ran)
            if found is not None:
                explored.violation = await self._smaller(Violation(found, ran, scheduled, number), 0)
                break
            if not self._allowance.reaches(sampling.schedules - number):
                explored.out_of_time = number < sampling.schedules
                break
        return explored

    async def _smaller(self, violation: Violation, at_least: int) -> Violation:
        return await shrink(
            violation,
            self._once,
            self._check,
            self._steps,
            actors=self.explored.actors,
            at_least=at_least,
            spare=self._spare,
        )

    def _look_at(self, steps: Sequence[Step]) -> None:
        """Record whether the actors write, and whether they meet anywhere."""
        touching = [step for step in steps if not step.begins and not step.footprint.is_empty]
        self.explored.wrote |= any(step.footprint.everything or step.footprint.writes for step in touching)
        self.explored.met = self.explored.met or any(
            one.actor != other.actor and one.footprint.dependent(other.footprint)
            for one, other in combinations(touching, 2)
        )

    def _departed(self, trace: Trace) -> None:
        """Record the statement at which a schedule left the known paths."""
        found = {n: [step.shape for step in trace.of(n)] for n in range(len(trace.actors))}
        if left := self._paths.departure([actor.name for actor in trace.actors], found):
            self._departures.append(left)
        self._paths.learn(trace)

    async def _once(self, choose: Strategy) -> tuple[RaceResult, ScheduleRun] | None:
        ran, scheduled = await self._play(choose, experience=self._experience)
        return None if ran.trace.disturbed else (ran, scheduled)

    async def warm_up(self) -> None:
        """Fill pools and caches, and learn which actors send several messages at once. Nothing is judged."""
        experience = self._experience
        ran, _ = await self._play(Replay(), experience=experience, learning=True)
        self._warm_steps = max(1, len(ran.trace.steps))
        # Alternate the actors, so that pools open as many connections as they will need.
        await self._play(ByFunction(_in_turn), experience=experience)
        # Let each actor go first once, to complete work that is done only at a customer's first success.
        for first in range(1, self.explored.actors):
            await self._play(ByFunction(partial(_led_by, first)), experience=experience)
        await self._play(Replay(), experience=experience, learning=True)

    async def only(self, choose: Strategy, schedule: Sequence[int] = ()) -> None:
        """Run and judge exactly one schedule; see `follow`."""
        ran, scheduled = await self._run(choose, schedule)
        self.explored.count(ran)
        self._told(ran)
        found = await self._check(ran)
        if found is not None:
            self.explored.violation = Violation(found, ran, scheduled, 0)

    async def follow(self, choose: Strategy, schedule: Sequence[int] = ()) -> RaceResult:
        """Run one schedule on a fresh race; repeat it if it was disturbed.

        Args:
            choose: the strategy.
            schedule: the schedule that it follows, for messages.

        Raises:
            Inconclusive: every try was disturbed or could not follow the schedule.
        """
        ran, _ = await self._run(choose, schedule)
        return ran

    async def _run(self, choose: Strategy, schedule: Sequence[int]) -> tuple[RaceResult, ScheduleRun]:
        why = ""
        for _ in range(TRIES):
            witness = Witness(choose)
            try:
                ran, scheduled = await self._play(witness, experience=self._experience)
            except ScheduleDiverged as error:
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
            # After an error a service may refuse work for a while (circuit breaker, back-off).
            await asyncio.sleep(REST_S)
        raise Inconclusive(
            f"schedule {list(schedule)} of this race was tried {TRIES} times and never ran undisturbed: {why}"
        )


def _led_by(first: int, choice: SchedulingPoint) -> int:
    return first if first in choice.enabled else choice.usual


def _in_turn(choice: SchedulingPoint) -> int:
    running = choice.running
    after = [actor for actor in choice.enabled if running is not None and actor > running]
    return after[0] if after else choice.enabled[0]
