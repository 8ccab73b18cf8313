"""Twenty requests at once out of a race of two or three.

Where customers book, more customers come for the same places. Everything else is bound to its owner or
its subject (a booking to cancel, a payment to deliver), and the checks know how many take part: there the
race is made several times over, each on things of its own, and all of them are run side by side.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import cycle

from harness.explore.actors import Actor
from harness.explore.race import MakeRace, Race
from harness.targets.person import Person
from harness.targets.port import Action, Slot

BOOK = "book"


@dataclass(frozen=True, slots=True)
class Crowd:
    """How many requests are sent at once, and who comes beside a race's own people."""

    size: int
    people: Sequence[Person]

    async def races(self, make_race: MakeRace) -> list[Race]:
        """Races whose actors together are as many as the crowd, or as near as they divide it."""
        first = await make_race()
        wanted = booked(first)
        if wanted:
            return [self._joined(first, wanted)]
        copies = max(1, self.size // len(first.actors)) - 1
        return [first, *await asyncio.gather(*(make_race() for _ in range(copies)))]

    def _joined(self, race: Race, wanted: Sequence[Slot]) -> Race:
        missing = max(0, self.size - len(race.actors))
        if missing > len(self.people):
            raise ValueError(f"{missing} more are wanted for this race and {len(self.people)} are there")
        more = [who.books(slot) for who, slot in zip(self.people[:missing], cycle(wanted), strict=False)]
        return replace(race, actors=[*race.actors, *more])


def booked(race: Race) -> list[Slot]:
    """The slots that actors of a race book, each as often as it is booked."""
    slots = {slot.id: slot for slot in race.slots}
    asked = [action.args.get("slot") for action in map(_action, race.cast) if action and action.verb == BOOK]
    return [slots[slot] for slot in asked if slot in slots]


def _action(actor: Actor) -> Action | None:
    return actor.does if isinstance(actor.does, Action) else None
