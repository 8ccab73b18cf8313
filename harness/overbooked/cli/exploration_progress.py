"""Shows the progress of explorations and keeps the last schedule for drawing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from overbooked.cli.display import Display
from overbooked.fault_points.results import SweepResult
from overbooked.interleavings.scheduler.strategy import SchedulingPoint
from overbooked.traces.trace import Trace


class Walker(Protocol):
    """Asks the user for the next actor; `overbooked.cli.interactive.InteractiveStepper` is one."""

    async def choose(self, choice: SchedulingPoint, so_far: Trace) -> int | None: ...


@dataclass
class ExplorationProgress:
    """A watcher on the command line; see `overbooked.runs.exploration_options.ExplorationObserver`.

    Args:
        display: where progress is shown.
        walker: asks the user for the next actor, if interactive.
    """

    display: Display
    walker: Walker | None = None
    last: tuple[str, Trace] | None = None
    counts: dict[str, int] = field(default_factory=dict)
    sweep: SweepResult | None = None

    def ran(self, race: str, trace: Trace) -> None:
        """Keep the schedule, and show the progress."""
        self.last = race, trace
        number = self.counts[race] = self.counts.get(race, 0) + 1
        stopped = f"{trace.preemptions} preemption{'' if trace.preemptions == 1 else 's'}"
        self.display.status(f"{race}: schedule {number}, {len(trace.steps)} boundaries, {stopped}")

    def swept(self, found: SweepResult) -> None:
        """Keep the result of a fault plan."""
        self.sweep = found

    async def choose(self, choice: SchedulingPoint, so_far: Trace) -> int | None:
        """Ask the user for the next actor; None: continue without preemptions to the end.

        Raises:
            LookupError: the exploration is not interactive.
        """
        if self.walker is None:
            raise LookupError("no person is there to choose")
        return await self.walker.choose(choice, so_far)

    def took(self) -> tuple[str, Trace] | None:
        """Return the last schedule since the previous call, if any."""
        last, self.last = self.last, None
        return last

    def took_sweep(self) -> SweepResult | None:
        """Return the result of the last fault plan since the last call."""
        found, self.sweep = self.sweep, None
        return found

    @property
    def schedules(self) -> int:
        """The number of schedules of all races."""
        return sum(self.counts.values())
