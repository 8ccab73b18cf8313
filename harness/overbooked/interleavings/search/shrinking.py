"""Shrinks a failing schedule to the simplest one: fewest preemptions, then shortest.

A schedule is decomposed into its *switches*: the decisions that differ from the usual choice. A switch is
identified by the actor and its number of steps so far, so it stays valid if others are removed.

1. Remove switches, trying the smallest remaining sets first.
2. While there is budget, search *all* schedules with fewer preemptions (`ScheduleSearch`); if that search is
   exhausted, none of them fails.
3. Move the remaining switches to earlier steps.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Protocol

from overbooked.errors import HarnessError
from overbooked.interleavings.search.schedule import Step, preemptions_in, usual
from overbooked.interleavings.search.search import ScheduleSearch


@dataclass(frozen=True, slots=True)
class Switch:
    """After `actor` has run last and taken `after` steps, `to` runs next; None: before the first step."""

    actor: int | None
    after: int
    to: int


class ChoicePoint(Protocol):
    """A decision to be made; `overbooked.interleavings.scheduler.strategy.SchedulingPoint` is one."""

    @property
    def enabled(self) -> tuple[int, ...]: ...

    @property
    def running(self) -> int | None: ...


class GuidedStrategy:
    """A strategy for one run: follows a prefix, then applies switches, else continues without preemptions.

    Args:
        prefix: actors to follow, step by step.
        switches: the switches; applied if their actor is enabled.
    """

    def __init__(self, prefix: Sequence[int] = (), switches: Sequence[Switch] = ()) -> None:
        self.prefix = tuple(prefix)
        self.switches = tuple(switches)
        self._turns = {(one.actor, one.after): one.to for one in switches}
        self._taken: dict[int | None, int] = {}
        self._number = 0

    def next(self, choice: ChoicePoint) -> int:
        """Return the actor of this step."""
        wanted = self._turns.get((choice.running, self._taken.get(choice.running, 0)))
        if self._number < len(self.prefix):
            wanted = self.prefix[self._number]
        chosen = wanted if wanted in choice.enabled else usual(choice.enabled, choice.running)
        assert chosen is not None
        self._number += 1
        self._taken[chosen] = self._taken.get(chosen, 0) + 1
        return chosen


def switches_in(steps: Sequence[Step]) -> tuple[Switch, ...]:
    """Return the decisions of a schedule that differ from the usual choice."""
    found: list[Switch] = []
    taken: dict[int | None, int] = {}
    running: int | None = None
    for step in steps:
        if step.actor != usual(step.enabled, running):
            found.append(Switch(running, taken.get(running, 0), step.actor))
        running = step.actor
        taken[running] = taken.get(running, 0) + 1
    return tuple(found)


def prefix_of(steps: Sequence[Step]) -> tuple[int, ...]:
    """Return the shortest prefix that produces this schedule, i.e. up to its last switch."""
    running: int | None = None
    length = 0
    for number, step in enumerate(steps):
        if step.actor != usual(step.enabled, running):
            length = number + 1
        running = step.actor
    return tuple(step.actor for step in steps[:length])


class ScheduleShrinker:
    """Finds the simplest schedule that fails in the same way as a given one.

    Use: `while (guide := minimiser.next()) is not None:` run a schedule by that guide, then `learn`.
    It is deterministic: the same results lead to the same guides.

    Args:
        steps: the steps of the failing schedule.
        actors: number of actors.
        max_runs: maximum number of runs.
        at_least: an exhausted search has shown that no schedule with fewer preemptions fails.
    """

    def __init__(self, steps: Sequence[Step], *, actors: int, max_runs: int = 100, at_least: int = 0) -> None:
        self.best = tuple(steps)
        self.runs = 0
        self.at_least = at_least
        self._actors = actors
        self._max_runs = max_runs
        self._plan = self._all()
        self._asked = False
        self._told: tuple[Step, ...] | None = None

    @property
    def schedule(self) -> tuple[int, ...]:
        """The simplest failing schedule found so far: the actors of all its steps."""
        return tuple(step.actor for step in self.best)

    @property
    def preemptions(self) -> int:
        """The number of its preemptions."""
        return preemptions_in(self.best)

    @property
    def is_fewest(self) -> bool:
        """Whether it is known that no schedule with fewer preemptions fails."""
        return self.preemptions <= self.at_least

    def next(self) -> GuidedStrategy | None:
        """Return the strategy to run next; None if nothing is left to try or the runs are used up."""
        if self._asked:
            raise HarnessError(
                "the minimiser was asked for a schedule before the result of the last one was reported"
            )
        if self.runs >= self._max_runs:
            return None
        guide = next(self._plan, None)
        if guide is not None:
            self.runs += 1
            self._asked = True
        return guide

    def learn(self, steps: Sequence[Step] | None, *, fails: bool) -> None:
        """Learn from the last run.

        Args:
            steps: its steps; None if it was disturbed.
            fails: whether it fails in the same way.
        """
        if not self._asked:
            raise HarnessError("a run was reported to the minimiser that it had not requested")
        self._asked = False
        self._told = None if steps is None else tuple(steps)
        if fails and self._told is not None and _cost(self._told) < _cost(self.best):
            self.best = self._told

    # -- the plan: each guide that is yielded was run when the generator continues ------------

    def _all(self) -> Generator[GuidedStrategy, None, None]:
        yield from self._leave_out()
        yield from self._search()
        yield from self._move_up()

    def _leave_out(self) -> Generator[GuidedStrategy, None, None]:
        switches = switches_in(self.best)
        for size in range(len(switches)):
            before = self.best
            for kept in combinations(switches, size):
                if self.is_fewest or self.runs > self._max_runs // 3:
                    return
                yield GuidedStrategy(switches=kept)
            if self.best is not before:
                return

    def _search(self) -> Generator[GuidedStrategy, None, None]:
        if self.is_fewest:
            return
        wanted = self.preemptions
        search = ScheduleSearch(self._actors, preemptions=wanted - 1)
        while self.runs < self._max_runs * 2 // 3 and (prefix := search.next()) is not None:
            yield GuidedStrategy(prefix.actors)
            if self._told is None:
                search.disturbed("the run was inconclusive")
            else:
                search.learn(self._told)
            if self.preemptions < wanted:
                # Fewer preemptions come first, so if nothing was skipped, no schedule with fewer fails.
                if not search.counts.skipped:
                    self.at_least = self.preemptions
                return
        if search.exhausted:
            self.at_least = wanted

    def _move_up(self) -> Generator[GuidedStrategy, None, None]:
        better = True
        while better:
            before = self.best
            for guide in self._moved_up():
                yield guide
                if self.best is not before:
                    break
            better = self.best is not before

    def _moved_up(self) -> Generator[GuidedStrategy, None, None]:
        switches = switches_in(self.best)
        for n in reversed(range(len(switches))):
            yield GuidedStrategy(switches=switches[:n] + switches[n + 1 :])
            for after in range(switches[n].after):
                moved = Switch(switches[n].actor, after, switches[n].to)
                yield GuidedStrategy(switches=(*switches[:n], moved, *switches[n + 1 :]))


def _cost(steps: Sequence[Step]) -> tuple[int, int, int, int, tuple[int, ...]]:
    return (
        preemptions_in(steps),
        len(prefix_of(steps)),
        len(switches_in(steps)),
        len(steps),
        tuple(step.actor for step in steps),
    )
