"""PCT: random priorities with a few random points at which the running actor's priority drops.

In a program with n actors and k steps, one schedule shows a bug of depth d (d ordering constraints between
steps suffice to show it) with a probability of at least 1 / (n * k ** (d - 1)): Burckhardt, Kothari,
Musuvathi, Nagarakatti, A randomized scheduler with probabilistic guarantees of finding bugs, ASPLOS 2010.
"""

from __future__ import annotations

import random

from overbooked.interleavings.scheduler.strategy import SchedulingPoint

# One ordering constraint more than an atomicity violation needs.
DEPTH = 3


class PCT:
    """One random schedule; repeating it makes the same choices.

    Args:
        seed: the seed of this schedule.
        actors: number of actors.
        steps: the known number of steps of a schedule.
        depth: the depth of the bugs for which the probability bound holds, at least 1.
    """

    def __init__(self, seed: int, *, actors: int, steps: int, depth: int = DEPTH) -> None:
        if depth < 1 or actors < 1 or steps < 1:
            raise ValueError(f"no PCT schedule of {actors} actors, {steps} steps and depth {depth}")
        self._seed = seed
        self._actors, self._steps, self._depth = actors, steps, depth
        self._priority: dict[int, int] = {}
        self._drops: dict[int, int] = {}
        self._draw()

    def _draw(self) -> None:
        """Draw priorities from depth to depth + actors - 1, and depth - 1 change points with lower ones."""
        rng = random.Random(self._seed)
        high = list(range(self._depth, self._depth + self._actors))
        rng.shuffle(high)
        self._priority = dict(enumerate(high))
        self._drops = {}
        for lower in range(1, self._depth):
            self._drops[rng.randrange(self._steps)] = lower

    def next(self, point: SchedulingPoint) -> int:
        """Return the enabled actor with the highest priority; at a change point its priority drops first."""
        if point.number == 0:
            self._draw()
        chosen = self._highest(point)
        if point.number in self._drops:
            self._priority[chosen] = self._drops[point.number]
            chosen = self._highest(point)
        return chosen

    def _highest(self, point: SchedulingPoint) -> int:
        return max(point.enabled, key=lambda actor: self._priority.get(actor, 0))
