"""Ways to send the requests of many actors at once: last bytes held back, or plainly together."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Sequence
from dataclasses import replace
from typing import Protocol

from overbooked.bursts.last_byte_sync import Held, Volleys, door_of
from overbooked.histories.operation import Operation
from overbooked.interleavings.scheduler.actors import Actor
from overbooked.targets.adapter import Action, Answer
from overbooked.targets.answer_summary import result_of, why
from overbooked.targets.client import Patience, unanswered, understood
from overbooked.targets.errors import TransportFailed
from overbooked.targets.system import System


class Way(Protocol):
    """Has all actors go at once; their answers, in order, None for work without one."""

    async def __call__(self, cast: Sequence[Actor]) -> list[Answer | None]: ...

    async def close(self) -> None:
        """Let go of every connection."""


def record(system: System, action: Action, answer: Answer, invoked_at: float, completed_at: float) -> Answer:
    """Enter an answer in the system's history; moments are of the monotonic clock."""
    system.recorder.add(
        Operation(
            actor=action.who,
            verb=action.verb,
            args=dict(action.args),
            invoked_at=invoked_at,
            completed_at=completed_at,
            outcome=answer.outcome,
            result=result_of(answer),
            problem=why(answer),
        )
    )
    return replace(answer, latency_s=completed_at - invoked_at)


class Plainly:
    """All requests through one httpx client a replica, as `asyncio.gather` sends them."""

    def __init__(self, system: System) -> None:
        self._system = system

    async def __call__(self, cast: Sequence[Actor]) -> list[Answer | None]:
        return list(await asyncio.gather(*(self._do(actor, place) for place, actor in enumerate(cast))))

    async def _do(self, actor: Actor, place: int) -> Answer | None:
        replica = place if actor.replica is None else actor.replica
        if isinstance(actor.does, Action):
            return await self._system.do(actor.does, replica=replica)
        return await actor.does(replica)

    async def close(self) -> None:
        """The system's own client closes with the system."""


class LastByteHeld:
    """Every request on a warm connection of its own, whole but for its last byte; then all at once.

    What is no request (an operator's command, a job) is set going in the same instant.
    """

    def __init__(self, system: System, warm_path: str, patience: Patience | None = None) -> None:
        self._system = system
        doors = [door_of(url) for url in system.client.urls]
        self._volleys = Volleys(doors, warm_path, patience or Patience())

    async def __call__(self, cast: Sequence[Actor]) -> list[Answer | None]:
        lanes = self._system.rng.sample(range(len(cast)), len(cast))
        actions = [(place, actor.does) for place, actor in enumerate(cast) if isinstance(actor.does, Action)]
        held = await self._volleys.hold(
            [action.request for _, action in actions], [lanes[place] for place, _ in actions]
        )
        waiting: dict[int, Awaitable[Answer | None]] = {
            place: asyncio.ensure_future(actor.does(lanes[place]))
            for place, actor in enumerate(cast)
            if not isinstance(actor.does, Action)
        }
        self._volleys.release(held)
        for (place, action), one in zip(actions, held, strict=True):
            waiting[place] = self._answer(action, one)
        return list(await asyncio.gather(*(waiting[place] for place in range(len(cast)))))

    async def _answer(self, action: Action, held: Held) -> Answer:
        try:
            response = await self._volleys.receive(held)
            completed_at = time.monotonic()
            answer = understood(action, response)
        except TransportFailed as error:
            completed_at = time.monotonic()
            answer = unanswered(error)
        return record(self._system, action, answer, held.invoked_at, completed_at)

    async def close(self) -> None:
        await self._volleys.close()
