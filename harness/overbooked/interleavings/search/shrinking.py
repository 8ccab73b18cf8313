"""From a schedule that fails to the simplest that does: fewest preemptions, then shortest.

A schedule is taken apart into its *switches*: the decisions that are not the usual one, each told by
whose it was and after how many steps of his own, so that it keeps its meaning when others go.

1. Leave switches out, most of them first.
2. While there is budget, look for one with fewer preemptions among *all* schedules (`Search`), which
   proves that there is none where that comes to its end.
3. Move the switches that are left to earlier steps.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Protocol

from overbooked.errors import HarnessError
from overbooked.interleavings.search.schedule import Step, preemptions_in, usual
from overbooked.interleavings.search.search import Search


@dataclass(frozen=True, slots=True)
class Switch:
    """When `actor` went last and has taken `after` steps, `to` goes next; None: before the first step."""

    actor: int | None
    after: int
    to: int


class Deciding(Protocol):
    """A decision to be made; `overbooked.interleavings.scheduler.strategy.Choice` is one."""

    @property
    def enabled(self) -> tuple[int, ...]: ...

    @property
    def running(self) -> int | None: ...


class Guide:
    """Chooses who goes next: by a prefix, then by switches, else as usual; used for one run.

    Args:
        prefix: actors to follow, step by step.
        switches: to make where they apply and their actor can go.
    """

    def __init__(self, prefix: Sequence[int] = (), switches: Sequence[Switch] = ()) -> None:
        self.prefix = tuple(prefix)
        self.switches = tuple(switches)
        self._turns = {(one.actor, one.after): one.to for one in switches}
        self._taken: dict[int | None, int] = {}
        self._number = 0

    def __call__(self, choice: Deciding) -> int:
        """The actor who goes next."""
        wanted = self._turns.get((choice.running, self._taken.get(choice.running, 0)))
        if self._number < len(self.prefix):
            wanted = self.prefix[self._number]
        chosen = wanted if wanted in choice.enabled else usual(choice.enabled, choice.running)
        assert chosen is not None
        self._number += 1
        self._taken[chosen] = self._taken.get(chosen, 0) + 1
        return chosen


def switches_in(steps: Sequence[Step]) -> tuple[Switch, ...]:
    """The decisions of a schedule that are not the usual ones."""
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
    """The shortest prefix that makes this schedule: up to its last switch."""
    running: int | None = None
    length = 0
    for number, step in enumerate(steps):
        if step.actor != usual(step.enabled, running):
            length = number + 1
        running = step.actor
    return tuple(step.actor for step in steps[:length])


class Minimiser:
    """Finds the simplest schedule that fails as a given one does.

    Use: `while (guide := minimiser.next()) is not None:` run a schedule by that guide, then `learn`.
    It is deterministic: the same answers lead to the same questions.

    Args:
        steps: of the schedule that failed.
        actors: how many there are.
        max_runs: it asks for so many runs at most.
        at_least: no schedule with fewer preemptions fails, as an exhausted search has shown.
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
        """The simplest schedule found that fails: the actors of all its steps."""
        return tuple(step.actor for step in self.best)

    @property
    def preemptions(self) -> int:
        """How many it has."""
        return preemptions_in(self.best)

    @property
    def is_fewest(self) -> bool:
        """No schedule with fewer preemptions fails, and that was shown."""
        return self.preemptions <= self.at_least

    def next(self) -> Guide | None:
        """What to run next; None when nothing is left to try or the runs are used up."""
        if self._asked:
            raise HarnessError(
                "the minimiser was asked for a schedule before it was told what came of the last"
            )
        if self.runs >= self._max_runs:
            return None
        guide = next(self._plan, None)
        if guide is not None:
            self.runs += 1
            self._asked = True
        return guide

    def learn(self, steps: Sequence[Step] | None, *, fails: bool) -> None:
        """What came of the last run: its steps, None where nothing can be concluded from it."""
        if not self._asked:
            raise HarnessError("the minimiser was told of a run that it had not asked for")
        self._asked = False
        self._told = None if steps is None else tuple(steps)
        if fails and self._told is not None and _cost(self._told) < _cost(self.best):
            self.best = self._told

    # -- the plan: each guide that is yielded has been run when the generator goes on ------------

    def _all(self) -> Generator[Guide, None, None]:
        yield from self._leave_out()
        yield from self._search()
        yield from self._move_up()

    def _leave_out(self) -> Generator[Guide, None, None]:
        switches = switches_in(self.best)
        for size in range(len(switches)):
            before = self.best
            for kept in combinations(switches, size):
                if self.is_fewest or self.runs > self._max_runs // 3:
                    return
                yield Guide(switches=kept)
            if self.best is not before:
                return

    def _search(self) -> Generator[Guide, None, None]:
        if self.is_fewest:
            return
        wanted = self.preemptions
        search = Search(self._actors, preemptions=wanted - 1)
        while self.runs < self._max_runs * 2 // 3 and (prefix := search.next()) is not None:
            yield Guide(prefix.actors)
            if self._told is None:
                search.disturbed("nothing could be concluded from a run")
            else:
                search.learn(self._told)
            if self.preemptions < wanted:
                # Fewer come first, so that none with fewer still fails, if nothing was skipped.
                if not search.counts.skipped:
                    self.at_least = self.preemptions
                return
        if search.exhausted:
            self.at_least = wanted

    def _move_up(self) -> Generator[Guide, None, None]:
        better = True
        while better:
            before = self.best
            for guide in self._moved_up():
                yield guide
                if self.best is not before:
                    break
            better = self.best is not before

    def _moved_up(self) -> Generator[Guide, None, None]:
        switches = switches_in(self.best)
        for n in reversed(range(len(switches))):
            yield Guide(switches=switches[:n] + switches[n + 1 :])
            for after in range(switches[n].after):
                moved = Switch(switches[n].actor, after, switches[n].to)
                yield Guide(switches=(*switches[:n], moved, *switches[n + 1 :]))


def _cost(steps: Sequence[Step]) -> tuple[int, int, int, int, tuple[int, ...]]:
    return (
        preemptions_in(steps),
        len(prefix_of(steps)),
        len(switches_in(steps)),
        len(steps),
        tuple(step.actor for step in steps),
    )
