"""Sampling of schedules: the strategy that draws them, and their number."""

from __future__ import annotations

from dataclasses import dataclass

from overbooked.errors import UsageError
from overbooked.interleavings.scheduler.strategy import Strategy
from overbooked.interleavings.strategies.pct import DEPTH, PCT
from overbooked.interleavings.strategies.random_walk import RandomWalk

RANDOM, PCT_NAME = "random", "pct"
NAMES = (RANDOM, PCT_NAME)
SCHEDULES = 200


@dataclass(frozen=True, slots=True)
class Sampling:
    """Settings of a sampling strategy.

    Args:
        name: `random` or `pct`.
        schedules: number of schedules that are run of each race.
        seed: the seed from which those of the schedules are derived.
        depth: the depth of PCT.

    Raises:
        UsageError: there is no such strategy, or the number of schedules is below 1.
    """

    name: str
    schedules: int = SCHEDULES
    seed: int = 0
    depth: int = DEPTH

    def __post_init__(self) -> None:
        if self.name not in NAMES:
            raise UsageError(f"wanted a strategy that samples, {' or '.join(NAMES)}; found {self.name!r}")
        if self.schedules < 1:
            raise UsageError(f"wanted at least one schedule, found {self.schedules}")

    def __str__(self) -> str:
        how = f"PCT of depth {self.depth}" if self.name == PCT_NAME else "random walk"
        return f"{how}, seed {self.seed}"

    def strategy(self, number: int, *, actors: int, steps: int) -> Strategy:
        """Return the strategy of one schedule.

        Args:
            number: the number of the schedule, from 1.
            actors: number of actors.
            steps: number of steps of the longest schedule so far.
        """
        seed = self.seed * 1_000_003 + number
        if self.name == PCT_NAME:
            return PCT(seed, actors=actors, steps=max(1, steps), depth=self.depth)
        return RandomWalk(seed)
