"""How often simultaneous bursts find the races of the hard set.

    python -m tests.benchmarks.hard_set [HARD-01.1 ...] [--bursts 200] [--size 20] [--seconds S]

Each mutant is served by a stack of its own, on links without delay. A burst has its race as often side by
side as its size allows, each on things of its own; every request is whole but for its last byte until all
leave together, and what is no request begins in the same instant. A burst finds the mutant when a check of
one of its races does. Exit code 1 when some mutant was found by at least one burst in twenty.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

from overbooked.catalog import Catalog
from overbooked.descriptor import load
from overbooked.errors import GapFound, HarnessError
from overbooked.interleavings.scheduler.race import Ran
from overbooked.journeys.identities import People
from overbooked.stacks.base.settings import StackSettings
from overbooked.stacks.embedded.stack import EmbeddedStack
from overbooked.targets.loading import bind
from overbooked.targets.system import System
from overbooked.traces.trace import Trace
from tests.benchmarks.races.collecting import Stated, exploring, races_of
from tests.benchmarks.races.jobs import DESCRIPTOR, HARD
from tests.benchmarks.races.playing import judge
from tests.benchmarks.races.ways import LastByteHeld

RARE = 0.05
WARM_PATH = "/health/live"
_UNSEEN = Trace(actors=(), steps=())


@dataclass(frozen=True, slots=True)
class Found:
    """So many of so many bursts found it; undecided are those in which the harness failed, `why` the last."""

    bursts: int
    found: int
    undecided: int
    why: str = ""

    def __str__(self) -> str:
        told = f"found by {self.found} of {self.bursts} bursts, {self.undecided} undecided"
        return f"{told}, the last: {self.why}" if self.undecided else told


async def measure(mutant: str, *, bursts: int, size: int, seconds: float, seed: int) -> Found:
    """Burst after burst on a mutant, at most so many and for at most so many seconds."""
    descriptor = load(DESCRIPTOR)
    gap = mutant.rpartition(".")[0]
    async with EmbeddedStack(descriptor, StackSettings.model_validate({}), mutant=mutant) as stack:
        system = await bind(stack, descriptor, seed=seed, people=People(seed))
        way = LastByteHeld(system, WARM_PATH)
        try:
            (stated,) = await races_of(system, [f"{gap}.a"], list(exploring()))
            ends = time.monotonic() + seconds
            done = found = undecided = 0
            why = ""
            while done < bursts and time.monotonic() < ends:
                done += 1
                try:
                    found += await _finds(stated, system, way, size)
                except HarnessError as error:
                    undecided, why = undecided + 1, str(error).splitlines()[0]
            return Found(done, found, undecided, why)
        finally:
            await way.close()
            await system.close()


async def _finds(stated: Stated, system: System, way: LastByteHeld, size: int) -> bool:
    first = await stated.make_race()
    more = max(1, size // len(first.actors)) - 1
    races = [first, *await asyncio.gather(*(stated.make_race() for _ in range(more)))]
    begun = system.recorder.now()
    answers = await way([actor for race in races for actor in race.cast])
    history = system.history_since(begun)
    found = False
    for race in races:
        own, answers = answers[: len(race.actors)], answers[len(race.actors) :]
        try:
            await judge(Ran(race, own, history, _UNSEEN))
        except GapFound:
            found = True
    return found


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, and print a line a mutant."""
    every = [mutant.name for gap in Catalog.load([HARD]).select(theme="hard") for mutant in gap.mutants]
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.hard_set")
    parser.add_argument("mutants", nargs="*", default=every)
    parser.add_argument("--bursts", type=int, default=200)
    parser.add_argument("--size", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=3600.0, help="for each mutant, at most")
    parser.add_argument("--seed", type=int, default=1)
    said = parser.parse_args(argv)
    often = 0
    for mutant in said.mutants:
        came = asyncio.run(
            measure(mutant, bursts=said.bursts, size=said.size, seconds=said.seconds, seed=said.seed)
        )
        often += came.found >= RARE * came.bursts
        sys.stdout.write(f"{mutant}  {came}\n")
        sys.stdout.flush()
    return 1 if often else 0


if __name__ == "__main__":
    sys.exit(main())
