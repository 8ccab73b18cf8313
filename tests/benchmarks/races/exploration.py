"""Exploration as one of the methods: every schedule within the bound, race after race."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace
from inspect import isawaitable

from overbooked.config import Settings
from overbooked.errors import GapFound
from overbooked.interleavings.exploration import NothingConcluded
from overbooked.interleavings.scheduler.race import Check, MakeRace, Race, Ran
from overbooked.plugin.explorer_factory import explorer
from overbooked.profiles import load_profile
from overbooked.stacks.base.protocol import Stack
from overbooked.targets.system import System
from overbooked.verdicts.judge import Judge
from tests.benchmarks.races.collecting import Stated
from tests.benchmarks.races.trials import Hunt


class Stopwatch:
    """Notes when a check found something first: an exploration goes on to tell what it found."""

    def __init__(self) -> None:
        self.begun = time.monotonic()
        self.found_at: float | None = None
        self.what = ""

    @property
    def seconds(self) -> float:
        """To the first finding, or so far."""
        return (self.found_at or time.monotonic()) - self.begun

    def on(self, make_race: MakeRace) -> MakeRace:
        """The same race, its checks watched."""

        async def watched() -> Race:
            race = await make_race()
            return replace(race, always=[self._watching(check) for check in race.always])

        return watched

    def _watching(self, check: Check) -> Check:
        async def watched(ran: Ran) -> None:
            try:
                checked = check(ran)
                if isawaitable(checked):
                    await checked
            except GapFound as found:
                if self.found_at is None:
                    self.found_at, self.what = time.monotonic(), found.what
                raise

        return watched


async def explore(
    stated: Sequence[Stated], stack: Stack, system: System, *, seed: int, allowed_s: float
) -> Hunt:
    """Explore races in order until one shows something, all are exhausted, or time is up.

    An exploration that could not be brought to an end is undecided, and the next race is explored.
    """
    watch = Stopwatch()
    judge = Judge(sorted({one.clause for one in stated}), "benchmark")
    # What is found is not made smaller: it has been found.
    budget = replace(load_profile("quick").budget, minimising=0)
    explore = explorer(stack, system, judge, budget, settings=Settings(), seed=seed)
    schedules = undecided = 0
    why = race = ""
    try:
        async with asyncio.timeout(allowed_s):
            for one in stated:
                try:
                    explored = await explore.interleavings(
                        watch.on(one.make_race), clause=one.clause, **one.bound
                    )
                except NothingConcluded as error:
                    undecided += 1
                    why = str(error)
                    continue
                schedules += explored.schedules
                if explored.violation is not None:
                    race = one.name
                    break
    except TimeoutError:
        undecided += 1
        why = f"it was given {allowed_s:g} s"
    finally:
        await explore.close()
    return Hunt(watch.seconds, schedules, race, watch.what if race else "", undecided, why)
