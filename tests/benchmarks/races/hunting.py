"""Runs the trials on one mutant on one stack, each method in turn and with equal time."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AsyncExitStack, aclosing

from overbooked.descriptor import Descriptor, load
from overbooked.errors import HarnessError
from overbooked.journeys.identities import People
from overbooked.stacks.base.settings import StackSettings
from overbooked.stacks.embedded.stack import EmbeddedStack
from overbooked.system.loading import bind, doors
from overbooked.system.system import System
from tests.benchmarks.races.collecting import Stated, exploring, races_of
from tests.benchmarks.races.crowds import Crowd, opened
from tests.benchmarks.races.exploration import explore
from tests.benchmarks.races.frontrunning import MISSING, Frontrun, is_installed
from tests.benchmarks.races.jobs import BURSTS, DESCRIPTOR, EXPLORATION, FRONTRUN, LOCUST, METHODS, Job
from tests.benchmarks.races.locusts import ByUsers, Users
from tests.benchmarks.races.playing import play
from tests.benchmarks.races.trials import HEALTHY, Hunt, Trial
from tests.benchmarks.races.ways import LastByteHeld, Plainly, Way

# Generous: start-up does not count as a method's time, and several workers may start at once.
_PATIENT = StackSettings.model_validate({"start_timeout_s": 180, "health_timeout_s": 120})


async def hunt(job: Job, say: Callable[[str], object]) -> AsyncGenerator[Trial, None]:
    """Run a job; yields each trial as soon as it is done.

    Args:
        say: called for a trial that was aborted; the next one still runs.

    Raises:
        HarnessError: the stack did not start, or trials were aborted.
    """
    broken_off = 0
    async with Ground(job, load(DESCRIPTOR)) as ground:
        for number in sorted(job.missing):
            try:
                async with aclosing(ground.trial(number, job.missing[number])) as trials:
                    async for trial in trials:
                        yield trial
            except HarnessError as error:
                broken_off += 1
                say(f"{job.mutant} {number + 1}: {type(error).__name__}: {error}")
    if broken_off:
        raise HarnessError(f"{broken_off} trials of {job.mutant} were broken off; run the same once more")


class Ground:
    """A running stack with one mutant, and the processes of the external methods."""

    def __init__(self, job: Job, descriptor: Descriptor) -> None:
        self._job = job
        self._descriptor = descriptor
        self._cases = list(exploring())
        self._asked = {method for methods in job.missing.values() for method in methods}
        self._stack = EmbeddedStack(descriptor, _PATIENT, mutant=job.seeded)
        self._users: Users | None = None
        self._frontrun: Frontrun | None = None
        self._exits = AsyncExitStack()

    async def __aenter__(self) -> Ground:
        async with AsyncExitStack() as exits:
            await exits.enter_async_context(self._stack)
            if LOCUST in self._asked:
                self._users = await exits.enter_async_context(Users(self._job.size, doors(self._stack)))
            if FRONTRUN in self._asked and is_installed():
                env = self._stack.processes["app"].env
                self._frontrun = await exits.enter_async_context(Frontrun(self._job, self._stack, env))
            self._exits = exits.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._exits.aclose()

    async def trial(self, number: int, methods: Sequence[str]) -> AsyncGenerator[Trial, None]:
        """Run one trial: exploration first, then each other method for the time that exploration took.

        Preparation before the races (stack, customers) does not count.
        """
        job = self._job
        explored_s = job.allowed_s.get(number, 0.0)
        for method in sorted(methods, key=METHODS.index):
            given_s = job.limit_s if method == EXPLORATION else max(job.floor_s, explored_s)
            found = await self._hunt(method, job.seed + number, given_s)
            if method == EXPLORATION and (found.detected or job.mutant == HEALTHY):
                explored_s = found.seconds
            yield Trial(job.mutant, method, number, round(given_s, 3), found)

    async def _hunt(self, method: str, seed: int, allowed_s: float) -> Hunt:
        if method == FRONTRUN:
            if self._frontrun is None:
                return Hunt(0.0, applies=False, why=MISSING)
            return await self._frontrun.hunt(seed=seed, allowed_s=allowed_s)
        system = await bind(self._stack, self._descriptor, seed=seed, identities=People(seed))
        try:
            stated = await races_of(system, self._job.clauses, self._cases)
            if not stated:
                raise HarnessError(f"no scenario explores {', '.join(self._job.clauses)}")
            if method == EXPLORATION:
                return await explore(stated, self._stack, system, seed=seed, allowed_s=allowed_s)
            return await self._played(method, stated, system, allowed_s)
        finally:
            await system.close()

    async def _played(self, method: str, stated: Sequence[Stated], system: System, allowed_s: float) -> Hunt:
        crowd = Crowd(self._job.size, await system.customers(self._job.size), opened(system))
        way = self._way(method, system)
        try:
            return await play(stated, system, crowd, way, allowed_s=allowed_s)
        finally:
            await way.close()

    def _way(self, method: str, system: System) -> Way:
        if method == BURSTS:
            return LastByteHeld(system, self._descriptor.app.health)
        if method == LOCUST and self._users is not None:
            return ByUsers(system, self._users)
        return Plainly(system)
