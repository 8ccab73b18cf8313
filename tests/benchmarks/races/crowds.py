"""Scales a race of two or three actors to, for example, twenty concurrent requests.

If every actor sends one request and some of them book, more customers book the same places; if one action is
repeated (a cancellation, a delivery), it is repeated more often. The checks of every other race depend on
its actors: several instances of such a race, each on its own objects, run in parallel.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import cycle
from typing import Any

from overbooked.interleavings.race_source import RaceSource
from overbooked.interleavings.scheduler.actors import as_actor
from overbooked.interleavings.scheduler.race import Race
from overbooked.system.customer import Customer
from overbooked.system.system import System
from overbooked.targets.adapter import Action, Slot

BOOK = "book"


@dataclass(frozen=True, slots=True)
class Crowd:
    """The number of concurrent requests, and the customers that are added to those of a race.

    Args:
        slots: the opened slots by id; see `opened`.
    """

    size: int
    people: Sequence[Customer]
    slots: Mapping[str, Slot]

    async def races(self, source: Callable[[], RaceSource]) -> list[tuple[RaceSource, Race]]:
        """Return races whose actors together have the crowd's size, or nearly if they do not divide it."""
        first = source()
        race = await first.take()
        if more := self._more(race):
            joined = tuple(as_actor(one) for one in more)
            return [(first, replace(race, actors=(*race.actors, *joined)))]
        races = [(first, race)]
        for _ in range(max(1, self.size // len(race.actors)) - 1):
            another = source()
            races.append((another, await another.take()))
        return races

    def _more(self, race: Race) -> list[Action]:
        """Return the actions to add to a race up to the crowd's size; none if the race cannot be extended."""
        slots = self.slots
        actions = [actor.does for actor in race.actors if isinstance(actor.does, Action)]
        if len(actions) < len(race.actors):
            return []
        done = Counter(map(_deed, actions))
        joined = [one for one in actions if _books(one, slots) or done[_deed(one)] > 1]
        turns = zip(self.people[: max(0, self.size - len(race.actors))], cycle(joined), strict=False)
        return [who.books(slots[one.args["slot"]]) if _books(one, slots) else one for who, one in turns]


def opened(system: System) -> Mapping[str, Slot]:
    """Return a mapping that records the slots a system opens from now on, by id."""
    slots: dict[str, Slot] = {}
    open_slot = system.open_slot

    async def record(**how: Any) -> Slot:
        slot = await open_slot(**how)
        slots[slot.id] = slot
        return slot

    system.open_slot = record  # type: ignore[method-assign, assignment]
    return slots


def _books(action: Action, slots: Mapping[str, Slot]) -> bool:
    # Requests with the same idempotency key count as one request.
    return action.verb == BOOK and action.args.get("slot") in slots and "key" not in action.args


def _deed(action: Action) -> str:
    """Return verb and object of an action, without its actor."""
    return f"{action.verb} {sorted(action.args.items())}"
