"""Ways to send the requests of many actors at once: with last bytes held back, or simply concurrently."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Sequence
from dataclasses import replace
from typing import Protocol

from overbooked.bursts.last_byte_sync import LastByteSync, PendingRequest
from overbooked.histories.operation import Operation
from overbooked.interleavings.scheduler.actors import Actor
from overbooked.system.system import System
from overbooked.targets.adapter import Action, Answer
from overbooked.targets.answer_summary import result, why
from overbooked.targets.client import ClientTimeouts, parse_answer, unknown_answer
from overbooked.targets.endpoint import endpoint_of
from overbooked.targets.errors import TransportError


class Way(Protocol):
    """Runs all actors at once; returns their answers in order, None for an action without one."""

    async def __call__(self, cast: Sequence[Actor]) -> list[Answer | None]: ...

    async def close(self) -> None:
        """Close every connection."""


def record(system: System, action: Action, answer: Answer, invoked_at: float, completed_at: float) -> Answer:
    """Add an answer to the system's history; times are of the monotonic clock."""
    system.recorder.add(
        Operation(
            actor=action.who,
            verb=action.verb,
            args=dict(action.args),
            invoked_at=invoked_at,
            completed_at=completed_at,
            outcome=answer.outcome,
            result=result(answer),
            problem=why(answer),
        )
    )
    return replace(answer, latency_s=completed_at - invoked_at)


class Plainly:
    """Sends all requests through one httpx client per replica by `asyncio.gather`."""

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
        """Do nothing: the system's client is closed with the system."""


class LastByteHeld:
    """Sends every request on its own warm connection except for the last byte, then all last bytes at once.

    Other actions (an operator's command, a job) start at the same instant.
    """

    def __init__(self, system: System, warm_path: str, patience: ClientTimeouts | None = None) -> None:
        self._system = system
        doors = [endpoint_of(url) for url in system.client.urls]
        self._volleys = LastByteSync(doors, warm_path, patience or ClientTimeouts())

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

    async def _answer(self, action: Action, held: PendingRequest) -> Answer:
        try:
            response = await self._volleys.receive(held)
            completed_at = time.monotonic()
            answer = parse_answer(action, response)
        except TransportError as error:
            completed_at = time.monotonic()
            answer = unknown_answer(error)
        return record(self._system, action, answer, held.invoked_at, completed_at)

    async def close(self) -> None:
        await self._volleys.close()
