"""Follows explorations while they run: says how far they are and keeps the last schedule to be drawn."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from overbooked.cli.display import Display
from overbooked.interleavings.scheduler.strategy import Choice
from overbooked.traces.trace import Trace


class Walker(Protocol):
    """Who chooses by hand; `overbooked.cli.interactive.Walk` does."""

    async def choose(self, choice: Choice, so_far: Trace) -> int | None: ...


@dataclass
class Watching:
    """A watcher on the command line; see `overbooked.runs.exploration_options.Watcher`.

    Args:
        display: where progress is shown.
        walker: chooses by hand, where a person does.
    """

    display: Display
    walker: Walker | None = None
    last: tuple[str, Trace] | None = None
    counts: dict[str, int] = field(default_factory=dict)

    def ran(self, race: str, trace: Trace) -> None:
        """Keep it, and say so."""
        self.last = race, trace
        number = self.counts[race] = self.counts.get(race, 0) + 1
        stopped = f"{trace.preemptions} preemption{'' if trace.preemptions == 1 else 's'}"
        self.display.status(f"{race}: schedule {number}, {len(trace.steps)} boundaries, {stopped}")

    async def choose(self, choice: Choice, so_far: Trace) -> int | None:
        """Ask the person; None: go on as usual to the end.

        Raises:
            LookupError: nobody is there to ask.
        """
        if self.walker is None:
            raise LookupError("nobody is there to choose")
        return await self.walker.choose(choice, so_far)

    def took(self) -> tuple[str, Trace] | None:
        """The last schedule since this was asked before."""
        last, self.last = self.last, None
        return last

    @property
    def schedules(self) -> int:
        """How many were run, all races together."""
        return sum(self.counts.values())
