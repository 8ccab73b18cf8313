"""Random walk: at each step every enabled actor is equally likely."""

from __future__ import annotations

import random

from overbooked.interleavings.scheduler.strategy import SchedulingPoint


class RandomWalk:
    """One random schedule; repeating it makes the same choices.

    Args:
        seed: the seed of this schedule.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._rng = random.Random(seed)

    def next(self, point: SchedulingPoint) -> int:
        """Return a random enabled actor."""
        if point.number == 0:
            self._rng = random.Random(self._seed)
        return self._rng.choice(point.enabled)
