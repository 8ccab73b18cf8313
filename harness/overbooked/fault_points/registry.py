"""Registers a journey that can be swept. It stands in the file of the scenario that sweeps the journey.

    @swept("checkout", "SYS-01")
    def checkout(system: System) -> CheckoutJourney:
        return CheckoutJourney(system)

The arguments are string literals, so that `overbooked sweep` can read them without running the file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

from overbooked.errors import HarnessError
from overbooked.fault_points.journey import Journey
from overbooked.system.system import System

MakeJourney = Callable[[System], Journey]
M = TypeVar("M", bound=Callable[..., Journey])

# The attribute of a function that registers a journey.
_MARK = "overbooked_swept"


@dataclass(frozen=True, slots=True)
class RegisteredJourney:
    """A journey by name, with the gaps it belongs to, and the function that makes it for a system."""

    name: str
    gaps: tuple[str, ...]
    make: MakeJourney

    def __call__(self, system: System) -> Journey:
        """Return the journey.

        Raises:
            HarnessError: the journey's name differs from the registered one.
        """
        journey = self.make(system)
        if journey.name != self.name:
            raise HarnessError(f"the journey registered as {self.name!r} is named {journey.name!r}")
        return journey


def swept(name: str, *gaps: str) -> Callable[[M], M]:
    """Register a function that makes a journey: `overbooked sweep NAME` sweeps it.

    Args:
        name: the name of the journey.
        gaps: ids of the gaps for which `overbooked sweep GAP` sweeps this journey too.
    """

    def register(make: M) -> M:
        setattr(make, _MARK, RegisteredJourney(name, gaps, make))
        return make

    return register


def registered(values: Iterable[object]) -> dict[str, RegisteredJourney]:
    """Return the journeys registered by functions among these values, by name."""
    found = (getattr(value, _MARK, None) for value in values)
    return {each.name: each for each in found if isinstance(each, RegisteredJourney)}
