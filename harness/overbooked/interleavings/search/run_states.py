"""What a run showed of each actor between its steps: can he go, does he wait, for what."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from overbooked.interleavings.search.dependence import ALL, Dependence
from overbooked.interleavings.search.fairness import yielding_after
from overbooked.interleavings.search.schedule import Step


class Standing(NamedTuple):
    """How an actor stands between two steps.

    Args:
        pending: a boundary of his is held, so he can go.
        waiting: the number of the footprint of what he sent and waits for, `ALL` where nobody knows
            for what; None when he does not wait. Neither pending nor waiting: he has ended.
        held: the number of what his transaction had touched when he began to wait.
    """

    pending: bool
    waiting: int | None = None
    held: int | None = None


_CAN_GO = Standing(pending=True)
_HAS_ENDED = Standing(pending=False)
_WAITS_FOR_ANYTHING = Standing(pending=False, waiting=ALL, held=ALL)


class Facts:
    """A run, looked at between its steps.

    Args:
        steps: all of them, to the end of every actor.
        actors: how many there are.
        dependence: numbers its footprints.
    """

    def __init__(self, steps: Sequence[Step], actors: int, dependence: Dependence) -> None:
        self._steps = steps
        self._actors = actors
        self._dependence = dependence
        self._touched = [dependence.number(step.footprint) for step in steps]
        self._last = [-1] * actors
        for number, step in enumerate(steps):
            self._last[step.actor] = number
        self._waited = [(n, step) for n, step in enumerate(steps) if (step.blocked_until or 0) > n + 1]
        self._standings = [self._at(number, who) for number, who in enumerate(self._yielding())]

    def standings(self, number: int) -> tuple[Standing, ...]:
        """Of every actor before the step with this number; after the last, for the number of steps."""
        return self._standings[number]

    def touched(self, number: int) -> int:
        """The number of a step's footprint."""
        return self._touched[number]

    def holds(self, number: int) -> int:
        """The number of the footprint of what a step's transaction had touched before it."""
        return self._dependence.number(self._steps[number].holds)

    def resumed(self, number: int) -> dict[int, int]:
        """Whose earlier steps were answered during this one, and what more each then touched."""
        found: dict[int, int] = {}
        for earlier, step in self._waited:
            if step.blocked_until == number + 1:
                self._add(found, step.actor, self._effects(earlier))
        return found

    def effects(self, number: int) -> int | None:
        """What a step touched beyond its footprint while it was the latest; None: no more."""
        step = self._steps[number]
        waited = step.blocked_until is not None and step.blocked_until > number + 1
        return None if waited or step.effects.is_empty else self._effects(number)

    def _effects(self, number: int) -> int:
        return self._dependence.number(self._steps[number].effects)

    def _add(self, found: dict[int, int], actor: int, touched: int) -> None:
        found[actor] = self._dependence.union(found[actor], touched) if actor in found else touched

    def _yielding(self) -> list[frozenset[int]]:
        found = [frozenset[int]()]
        for step in self._steps:
            found.append(yielding_after(found[-1], step.actor, yields=step.yields))
        return found

    def _at(self, number: int, yielding: frozenset[int]) -> tuple[Standing, ...]:
        waiting: dict[int, int] = {}
        held: dict[int, int] = {}
        for earlier, step in self._waited:
            if earlier < number < (step.blocked_until or 0):
                self._add(waiting, step.actor, self._touched[earlier])
                self._add(held, step.actor, self.holds(earlier))
        enabled = self._steps[number].enabled if number < len(self._steps) else ()
        return tuple(
            Standing(actor in enabled, waiting[actor], held[actor])
            if actor in waiting
            else self._not_waiting(actor, number, enabled, actor in yielding)
            for actor in range(self._actors)
        )

    def _not_waiting(self, actor: int, number: int, enabled: Sequence[int], yields: bool) -> Standing:
        if actor in enabled:
            return _CAN_GO
        if self._last[actor] < number:
            return _HAS_ENDED
        # He goes later, and neither a boundary nor a lock of his was seen: fairness kept him back, or
        # he waits for something inside the service, which anybody's step may set free.
        return _CAN_GO if yields else _WAITS_FOR_ANYTHING
