"""Compares the duration of an exploration with that of the same requests sent one after another, not held.

    python -m tests.benchmarks.exploring [--actors N] [--preemptions N] [--whole]

Both are measured alternately, race by race, so that other load affects them equally. The result is the
ratio; the limit is 1.5.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from overbooked.config import Settings
from overbooked.descriptor import load
from overbooked.interleavings.scheduler.race import Races
from overbooked.journeys.identities import People
from overbooked.oracles.answers import others_refused
from overbooked.oracles.capacity import sold_at_most
from overbooked.plugin.explorer_factory import make_explorer
from overbooked.profiles import load_profile
from overbooked.stacks.base.settings import StackSettings
from overbooked.stacks.embedded.stack import EmbeddedStack
from overbooked.system.loading import bind
from overbooked.verdicts.judge import Judge

BAR = 1.5
_DESCRIPTOR = Path(__file__).parents[2] / "reference_system" / "target" / "system.toml"


@dataclass(frozen=True)
class Figures:
    """Seconds for the same number of races of the same requests."""

    schedules: int
    exhausted: bool
    explored_s: float
    plain_s: float
    whole_s: float

    @property
    def ratio(self) -> float:
        return self.explored_s / self.plain_s

    def __str__(self) -> str:
        each = 1000 / max(1, self.schedules)
        return (
            f"{self.schedules} schedules{', exhausted' if self.exhausted else ''}: "
            f"{self.explored_s * each:.1f} ms each; the requests alone {self.plain_s * each:.1f} ms; "
            f"ratio {self.ratio:.2f} (bar {BAR:g}); with races made and checked {self.whole_s * each:.1f} ms"
        )


async def measure(actors: int, preemptions: int, *, reduce: bool) -> Figures:
    """Explore a race for one place on a stack of its own."""
    descriptor = load(_DESCRIPTOR)
    judge = Judge(["SYS-03.a"], "benchmark")
    async with EmbeddedStack(descriptor, StackSettings.model_validate({})) as stack:
        system = await bind(stack, descriptor, seed=1, identities=People(1))
        explore = make_explorer(stack, system, judge, load_profile("quick").budget, settings=Settings())
        crowd = await system.customers(actors)
        plain: list[float] = []
        beside = 0.0

        async def race() -> Races:
            nonlocal beside
            while True:
                begun = time.monotonic()
                slot = await system.open_slot(capacity=1)
                requests = [action.request for action in (who.books(slot) for who in crowd)]
                alone = await explore.stage.one_after_another([(one, n) for n, one in enumerate(requests)])
                plain.append(alone)
                beside += time.monotonic() - begun
                slot = await system.open_slot(capacity=1)
                ran = yield [who.books(slot) for who in crowd]
                with judge("SYS-03.a"):
                    sold_at_most(1, ran.answers)
                    others_refused(ran.answers, 409)

        begun = time.monotonic()
        try:
            explored = await explore.explore(race, preemptions=preemptions, reduce=reduce)
        finally:
            await explore.close()
            await system.close()
        whole = time.monotonic() - begun - beside
    # The first ones are warm-up; the last one prepared a race that was not run.
    alone = sum(plain[-explored.schedules - 1 : -1])
    return Figures(explored.schedules, explored.exhausted, explored.seconds, alone, whole)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--actors", type=int, default=2)
    parser.add_argument("--preemptions", type=int, default=2)
    parser.add_argument("--whole", action="store_true", help="leave no schedule out")
    chosen = parser.parse_args()
    figures = asyncio.run(measure(chosen.actors, chosen.preemptions, reduce=not chosen.whole))
    sys.stdout.write(f"{figures}\n")
    return int(figures.ratio > BAR)


if __name__ == "__main__":
    sys.exit(main())
