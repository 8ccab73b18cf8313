"""A race as written in a scenario, and the result of running it once.

A race is an async generator. It prepares fresh objects, yields the actions that run concurrently, and judges
the result; then it prepares the next race:

    async def last_place(system: System, judge: Judge, crowd: Sequence[Customer]) -> Races:
        while True:
            slot = await system.open_slot(capacity=1)
            ran = yield [who.books(slot) for who in crowd]
            with judge("SYS-03.a"):
                sold_at_most(1, ran.answers, state=await system.state(slots=[slot]))

The same function can be explored schedule by schedule and played in bursts round by round.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, field

from overbooked.histories.history import History
from overbooked.interleavings.scheduler.actors import Actor
from overbooked.targets.adapter import Action, Answer
from overbooked.traces.trace import Trace


@dataclass(frozen=True, slots=True)
class Race:
    """The actors of one race, using objects prepared for it.

    Args:
        actors: at least one.
        begun: the recorder's clock before the preparation, in seconds.
    """

    actors: tuple[Actor, ...]
    begun: float = 0.0


@dataclass(frozen=True, slots=True)
class RaceResult:
    """The result of one schedule or one burst of a race.

    Args:
        race: the race with its actors.
        replies: one per actor, in order; None for work without an answer.
        history: every operation since the preparation of the race began.
        trace: the steps in order; empty for a burst, whose steps are not observed.
        number: the number of the burst's round, from 0.
    """

    race: Race
    replies: Sequence[Answer | None]
    history: History
    trace: Trace = field(default_factory=lambda: Trace(actors=(), steps=()))
    number: int = 0

    @property
    def answers(self) -> list[Answer]:
        """The answers of the actors that have one, in the order of the actors."""
        return [answer for answer in self.replies if answer is not None]

    def of(self, *verbs: str) -> list[Answer]:
        """Return the answers to the actors with one of these verbs."""
        return [
            answer
            for actor, answer in zip(self.race.actors, self.replies, strict=True)
            if actor.verb in verbs and answer is not None
        ]


Races = AsyncGenerator[Sequence[Action | Actor], RaceResult]
# Makes such a generator; called again after one has ended with a finding.
RaceFunction = Callable[..., Races]
