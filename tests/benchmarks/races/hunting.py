"""Hunting one mutant: one stack, trial after trial, each method in turn and in equal time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack

from harness.journeys.personas import People
from harness.stacks.embedded import EmbeddedStack
from harness.stacks.protocol import Stack
from harness.stacks.settings import StackSettings
from harness.targets.descriptor import Descriptor, load
from harness.targets.loading import bind, doors
from harness.targets.system import System
from tests.benchmarks.races.collecting import Exploring, Stated, exploring, races_of
from tests.benchmarks.races.crowds import Crowd
from tests.benchmarks.races.exploration import explore
from tests.benchmarks.races.jobs import BURSTS, DESCRIPTOR, EXPLORATION, LOCUST, METHODS, Job
from tests.benchmarks.races.locusts import ByUsers, Users
from tests.benchmarks.races.playing import play
from tests.benchmarks.races.trials import Hunt, Trial
from tests.benchmarks.races.ways import LastByteHeld, Plainly, Way


async def hunt(job: Job) -> AsyncIterator[Trial]:
    """Do what a job asks; each trial as soon as it is done."""
    descriptor = load(DESCRIPTOR)
    cases = list(exploring())
    async with AsyncExitStack() as opened:
        stack = await opened.enter_async_context(
            EmbeddedStack(descriptor, StackSettings(), mutant=job.seeded)
        )
        users = None
        if any(LOCUST in methods for methods in job.missing.values()):
            users = await opened.enter_async_context(Users(job.size, doors(stack)))
        ground = Ground(job, descriptor, stack, cases, users)
        for number in sorted(job.missing):
            async for trial in ground.trial(number, job.missing[number]):
                yield trial


class Ground:
    """A running stack on which one mutant is hunted."""

    def __init__(
        self, job: Job, descriptor: Descriptor, stack: Stack, cases: Sequence[Exploring], users: Users | None
    ) -> None:
        self._job = job
        self._descriptor = descriptor
        self._stack = stack
        self._cases = cases
        self._users = users

    async def trial(self, number: int, methods: Sequence[str]) -> AsyncIterator[Trial]:
        """One trial: exploration first, and then each other method in the time that it took.

        What is prepared before the races (a stack, customers) is in nobody's time.
        """
        job = self._job
        allowed_s = job.allowed_s.get(number, 0.0)
        seed = job.seed + number
        system = await bind(self._stack, self._descriptor, seed=seed, people=People(seed))
        try:
            stated = await races_of(system, job.clauses, self._cases)
            crowd = Crowd(job.size, await system.customers(job.size))
            for method in sorted(methods, key=METHODS.index):
                given_s = job.limit_s if method == EXPLORATION else max(job.floor_s, allowed_s)
                found = await self._hunt(method, stated, system, crowd, given_s)
                if method == EXPLORATION:
                    allowed_s = found.seconds if found.detected else 0.0
                yield Trial(job.mutant, method, number, round(given_s, 3), found)
        finally:
            await system.close()

    async def _hunt(
        self, method: str, stated: Sequence[Stated], system: System, crowd: Crowd, allowed_s: float
    ) -> Hunt:
        if method == EXPLORATION:
            return await explore(stated, self._stack, system, allowed_s=allowed_s)
        way = self._way(method, system)
        try:
            return await play(stated, system, crowd, way, allowed_s=allowed_s)
        finally:
            await way.close()

    def _way(self, method: str, system: System) -> Way:
        service = self._descriptor.service("app")
        if method == BURSTS:
            return LastByteHeld(system, service.health if service else "/")
        if method == LOCUST and self._users is not None:
            return ByUsers(system, self._users)
        return Plainly(system)
