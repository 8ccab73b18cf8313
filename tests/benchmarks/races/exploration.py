"""Exploration as one of the methods: every schedule within the bound, race after race."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace

from overbooked.config import Settings
from overbooked.errors import findings_made
from overbooked.interleavings.exploration import Inconclusive
from overbooked.interleavings.scheduler.race import RaceFunction, Races
from overbooked.plugin.explorer_factory import make_explorer
from overbooked.profiles import load_profile
from overbooked.stacks.base.protocol import Stack
from overbooked.system.system import System
from overbooked.verdicts.judge import Judge
from tests.benchmarks.races.collecting import Stated
from tests.benchmarks.races.trials import Hunt


class Stopwatch:
    """Records the time of the first finding, because an exploration continues after it."""

    def __init__(self) -> None:
        self.begun = time.monotonic()
        self.found_at: float | None = None
        self.what = ""

    @property
    def seconds(self) -> float:
        """Seconds to the first finding, or so far."""
        return (self.found_at or time.monotonic()) - self.begun

    def on(self, race: RaceFunction) -> RaceFunction:
        """Return the same race, recording the time of its first finding."""

        async def watched(*args: object) -> Races:
            races = race(*args)
            actions = await anext(races)
            try:
                while True:
                    ran = yield actions
                    with findings_made() as made:
                        actions = await races.asend(ran)
                    if made and self.found_at is None:
                        self.found_at, self.what = time.monotonic(), made[0].what
            finally:
                await races.aclose()

        return watched


async def explore(
    stated: Sequence[Stated], stack: Stack, system: System, *, seed: int, allowed_s: float
) -> Hunt:
    """Explore races in order until one has a finding, all are exhausted, or the time is up.

    An exploration that did not finish counts as undecided, and the next race is explored.
    """
    watch = Stopwatch()
    judge = Judge(sorted({one.clause for one in stated}), "benchmark")
    # Findings are not shrunk; detecting the mutant is enough.
    budget = replace(load_profile("quick").budget, minimising=0)
    explore = make_explorer(stack, system, judge, budget, settings=Settings(), seed=seed)
    schedules = undecided = 0
    why = race = ""
    try:
        async with asyncio.timeout(allowed_s):
            for one in stated:
                try:
                    explored = await explore.explore(
                        watch.on(one.race), *one.args, clause=one.clause, **one.bound
                    )
                except Inconclusive as error:
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
