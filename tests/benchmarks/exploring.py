"""What exploring costs beside the same requests sent one after another with nothing held.

    python -m tests.benchmarks.exploring [--actors N] [--preemptions N] [--whole]

Both are measured in turns, race by race, so that a busy machine burdens them alike. Read the ratio: the
bar is 1.5.
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
from overbooked.interleavings.scheduler.race import Race, Ran
from overbooked.journeys.identities import People
from overbooked.oracles.answers import losers_are_told
from overbooked.oracles.capacity import sold_at_most
from overbooked.plugin.explorer_factory import explorer
from overbooked.profiles import load_profile
from overbooked.stacks.base.settings import StackSettings
from overbooked.stacks.embedded.stack import EmbeddedStack
from overbooked.targets.adapter import Action
from overbooked.targets.loading import bind
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
        system = await bind(stack, descriptor, seed=1, people=People(1))
        explore = explorer(stack, system, judge, load_profile("quick").budget, settings=Settings())
        crowd = await system.customers(actors)
        plain: list[float] = []
        beside = 0.0

        async def race() -> Race:
            nonlocal beside
            begun = time.monotonic()
            slot = await system.open_slot(capacity=1)
            requests = [action.request for action in (who.books(slot) for who in crowd)]
            plain.append(await explore.stage.one_after_another([(one, n) for n, one in enumerate(requests)]))
            beside += time.monotonic() - begun
            slot = await system.open_slot(capacity=1)
            actions: list[Action] = [who.books(slot) for who in crowd]
            return Race(actions, always=[one_wins], slots=[slot])

        def one_wins(ran: Ran) -> None:
            sold_at_most(1, ran.told)
            losers_are_told(ran.told, 409)

        begun = time.monotonic()
        try:
            explored = await explore.interleavings(race, preemptions=preemptions, reduce=reduce)
        finally:
            await explore.close()
            await system.close()
        whole = time.monotonic() - begun - beside
    # Those at the beginning warmed up.
    alone = sum(plain[-explored.schedules :])
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
