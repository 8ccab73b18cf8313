"""A race as a scenario states it, and what came of one schedule of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from overbooked.histories.history import History
from overbooked.interleavings.scheduler.actors import Actor, as_actor
from overbooked.targets.adapter import Action, Answer, Slot
from overbooked.traces.trace import Trace


@dataclass(frozen=True, slots=True)
class Race:
    """Who takes part, on what, and what must hold under every schedule.

    Args:
        actors: at least one; an action is sent as a request of its own.
        always: checks, each raises GapFound when it finds something.
        slots: the slots they race for, as they were opened.
        facts: whatever else the checks need.
    """

    actors: Sequence[Action | Actor]
    always: Sequence[Check] = ()
    slots: Sequence[Slot] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def cast(self) -> tuple[Actor, ...]:
        """The actors as such."""
        return tuple(as_actor(one) for one in self.actors)


@dataclass(frozen=True, slots=True)
class Ran:
    """A race after one schedule of it.

    `answers` are in the order of the actors, None for work without one; `history` has every
    operation since the race was begun to be made, its preparation included.
    """

    race: Race
    answers: Sequence[Answer | None]
    history: History
    trace: Trace

    @property
    def slots(self) -> Sequence[Slot]:
        return self.race.slots

    @property
    def facts(self) -> Mapping[str, Any]:
        return self.race.facts

    @property
    def told(self) -> list[Answer]:
        """The answers there are."""
        return [answer for answer in self.answers if answer is not None]

    def of(self, *verbs: str) -> list[Answer]:
        """The answers to the actors with one of these verbs."""
        return [
            answer
            for actor, answer in zip(self.race.cast, self.answers, strict=True)
            if actor.verb in verbs and answer is not None
        ]


Check = Callable[[Ran], "Awaitable[None] | None"]
MakeRace = Callable[[], Awaitable[Race]]
