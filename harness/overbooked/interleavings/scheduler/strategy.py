"""The scheduling decision and the strategy protocol; implementations are in `interleavings.strategies`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from overbooked.errors import HarnessError
from overbooked.interleavings.search.schedule import usual
from overbooked.wire.gate.boundary import Boundary


class ScheduleDiverged(HarnessError):
    """A schedule cannot be followed, because the service behaves differently than when it was recorded."""


@dataclass(frozen=True, slots=True)
class SchedulingPoint:
    """A scheduling decision.

    Args:
        number: the number of the step, from 0.
        enabled: the actors that can be scheduled, ascending.
        running: the actor of the previous step; None at the first step.
        held: the boundary of each enabled actor.
    """

    number: int
    enabled: tuple[int, ...]
    running: int | None
    held: Mapping[int, Boundary]

    @property
    def usual(self) -> int:
        """The choice without a preemption: the running actor if it is enabled, else the lowest."""
        return usual(self.enabled, self.running)


class Strategy(Protocol):
    """Chooses the next actor at each step of one schedule. Called in the relay's thread."""

    def next(self, point: SchedulingPoint) -> int | Awaitable[int]:
        """Return one of the enabled actors, or an awaitable of one if the user is asked."""


class ByFunction:
    """A strategy that calls a function."""

    def __init__(self, choose: Callable[[SchedulingPoint], int | Awaitable[int]]) -> None:
        self._choose = choose

    def next(self, point: SchedulingPoint) -> int | Awaitable[int]:
        """Return the result of the function."""
        return self._choose(point)
