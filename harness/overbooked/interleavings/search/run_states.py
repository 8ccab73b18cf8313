"""The status of each actor between the steps of a run: pending, waiting or ended."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from overbooked.interleavings.search.dependence import ALL, Dependence
from overbooked.interleavings.search.fairness import yielding_after
from overbooked.interleavings.search.schedule import Step


class ActorStatus(NamedTuple):
    """The status of an actor between two steps.

    Args:
        pending: whether one of its boundaries is held, so that it can be scheduled.
        waiting: the footprint number of the statement that it waits for, `ALL` if unknown; None if it does
            not wait. An actor that is neither pending nor waiting has ended.
        held: the footprint number of what its transaction had touched when it began to wait.
    """

    pending: bool
    waiting: int | None = None
    held: int | None = None


_CAN_GO = ActorStatus(pending=True)
_HAS_ENDED = ActorStatus(pending=False)
_WAITS_FOR_ANYTHING = ActorStatus(pending=False, waiting=ALL, held=ALL)


class RunStates:
    """The status of all actors between the steps of a run.

    Args:
        steps: all steps, to the end of every actor.
        actors: number of actors.
        dependence: numbers the footprints.
    """

    def __init__(self, steps: Sequence[Step], actors: int, dependence: Dependence) -> None:
        self._steps = steps
        self._actors = actors
        self._dependence = dependence
        self._touched = [ALL if step.opaque else dependence.number(step.footprint) for step in steps]
        self._last = [-1] * actors
        for number, step in enumerate(steps):
            self._last[step.actor] = number
        self._waited = [(n, step) for n, step in enumerate(steps) if (step.blocked_until or 0) > n + 1]
        self._standings = [self._at(number, who) for number, who in enumerate(self._yielding())]

    def standings(self, number: int) -> tuple[ActorStatus, ...]:
        """Return the status of every actor before step `number`; the step count means after the last step."""
        return self._standings[number]

    def touched(self, number: int) -> int:
        """Return the footprint number of a step."""
        return self._touched[number]

    def holds(self, number: int) -> int:
        """Return the footprint number of what a step's transaction had touched before the step."""
        return self._dependence.number(self._steps[number].holds)

    def resumed(self, number: int) -> dict[int, int]:
        """Return the actors whose earlier steps were answered during this one, with the footprint numbers of
        their effects."""
        found: dict[int, int] = {}
        for earlier, step in self._waited:
            if step.blocked_until == number + 1:
                self._add(found, step.actor, self._effects(earlier))
        return found

    def effects(self, number: int) -> int | None:
        """Return the footprint number of a step's effects while it was the latest step; None: no effects."""
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

    def _at(self, number: int, yielding: frozenset[int]) -> tuple[ActorStatus, ...]:
        waiting: dict[int, int] = {}
        held: dict[int, int] = {}
        for earlier, step in self._waited:
            if earlier < number < (step.blocked_until or 0):
                self._add(waiting, step.actor, self._touched[earlier])
                self._add(held, step.actor, self.holds(earlier))
        enabled = self._steps[number].enabled if number < len(self._steps) else ()
        return tuple(
            ActorStatus(actor in enabled, waiting[actor], held[actor])
            if actor in waiting
            else self._not_waiting(actor, number, enabled, actor in yielding)
            for actor in range(self._actors)
        )

    def _not_waiting(self, actor: int, number: int, enabled: Sequence[int], yields: bool) -> ActorStatus:
        if actor in enabled:
            return _CAN_GO
        if self._last[actor] < number:
            return _HAS_ENDED
        # The actor runs later, but has no observed boundary or lock wait: fairness held it back, or it waits
        # for something inside the service, which any step may release.
        return _CAN_GO if yields else _WAITS_FOR_ANYTHING
