"""Twenty requests at once out of a race of two or three.

Where everybody sends one request, and some of them book, more customers come for the same places; where
one thing is done twice (a booking cancelled, an event delivered), it is done as often as is wanted. In
every other race the checks know who takes part: such a race is made several times over, each on things of
its own, and all run side by side.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import cycle

from overbooked.interleavings.scheduler.race import MakeRace, Race
from overbooked.targets.adapter import Action, Slot
from overbooked.targets.person import Person

BOOK = "book"


@dataclass(frozen=True, slots=True)
class Crowd:
    """How many requests are sent at once, and who comes beside a race's own people."""

    size: int
    people: Sequence[Person]

    async def races(self, make_race: MakeRace) -> list[Race]:
        """Races whose actors together are as many as the crowd, or as near as they divide it."""
        first = await make_race()
        if more := self._more(first):
            return [replace(first, actors=[*first.actors, *more])]
        copies = max(1, self.size // len(first.actors)) - 1
        return [first, *[await make_race() for _ in range(copies)]]

    def _more(self, race: Race) -> list[Action]:
        """Those who join a race until the crowd is whole; nobody where the race is not for more."""
        slots = {slot.id: slot for slot in race.slots}
        actions = [actor.does for actor in race.cast if isinstance(actor.does, Action)]
        if len(actions) < len(race.actors):
            return []
        done = Counter(map(_deed, actions))
        joined = [one for one in actions if _books(one, slots) or done[_deed(one)] > 1]
        turns = zip(self.people[: max(0, self.size - len(race.actors))], cycle(joined), strict=False)
        return [who.books(slots[one.args["slot"]]) if _books(one, slots) else one for who, one in turns]


def _books(action: Action, slots: Mapping[str, Slot]) -> bool:
    # A request with a key of its own is one request, however often it is sent.
    return action.verb == BOOK and action.args.get("slot") in slots and "key" not in action.args


def _deed(action: Action) -> str:
    """What is done, to what, whoever does it."""
    return f"{action.verb} {sorted(action.args.items())}"
