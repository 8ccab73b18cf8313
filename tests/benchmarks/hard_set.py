"""Measures how often simultaneous bursts find the races of the hard set.

    python -m tests.benchmarks.hard_set [HARD-01.1 ...] [--bursts 200] [--size 20] [--seconds S]

Each mutant runs on its own stack, on links without delay. A burst runs as many instances of a race in
parallel as its size allows, each on its own objects. The last byte of every request is held until all are
released together, and other actions begin at the same instant. A burst finds the mutant if a check of one of
its races fails. Exits with 1 if any mutant was found by at least one burst in twenty.
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
from overbooked.interleavings.scheduler.race import RaceResult
from overbooked.journeys.identities import People
from overbooked.stacks.base.settings import StackSettings
from overbooked.stacks.embedded.stack import EmbeddedStack
from overbooked.system.loading import bind
from overbooked.system.system import System
from tests.benchmarks.races.collecting import Stated, exploring, races_of
from tests.benchmarks.races.jobs import DESCRIPTOR, HARD
from tests.benchmarks.races.playing import judge
from tests.benchmarks.races.ways import LastByteHeld

RARE = 0.05
WARM_PATH = "/health/live"


@dataclass(frozen=True, slots=True)
class Found:
    """The bursts that found a mutant; `undecided` bursts failed in the harness, `why` is the last reason."""

    bursts: int
    found: int
    undecided: int
    why: str = ""

    def __str__(self) -> str:
        told = f"found by {self.found} of {self.bursts} bursts, {self.undecided} undecided"
        return f"{told}, the last: {self.why}" if self.undecided else told


async def measure(mutant: str, *, bursts: int, size: int, seconds: float, seed: int) -> Found:
    """Play up to `bursts` bursts on a mutant, for at most `seconds`."""
    descriptor = load(DESCRIPTOR)
    gap = mutant.rpartition(".")[0]
    async with EmbeddedStack(descriptor, StackSettings.model_validate({}), mutant=mutant) as stack:
        system = await bind(stack, descriptor, seed=seed, identities=People(seed))
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
    first = stated.source(system.recorder.now)
    more = max(1, size // len((await first.peek()).actors)) - 1
    sources = [first, *(stated.source(system.recorder.now) for _ in range(more))]
    races = await asyncio.gather(*(source.take() for source in sources))
    begun = system.recorder.now()
    answers = await way([actor for race in races for actor in race.actors])
    history = system.history_since(begun)
    found = False
    for source, race in zip(sources, races, strict=True):
        own, answers = answers[: len(race.actors)], answers[len(race.actors) :]
        try:
            await judge(source, RaceResult(race, own, history))
        except GapFound:
            found = True
        await source.close()
    return found


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, and print one line per mutant."""
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
