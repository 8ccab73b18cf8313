"""Actors: who takes part in a schedule, and how each is set going in the relay's thread.

An actor is a client's request (an `Action`), or anything else that can be awaited: a job, a delivery,
a journey of several requests. Requests leave from the relay's own thread on warm connections, so that
nothing but the service and its servers lies between one boundary and the next.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from overbooked.bursts.last_byte_sync import Door
from overbooked.targets.adapter import Action, Answer, HttpRequest, HttpResponse, Outcome
from overbooked.targets.client import KEEP_IDLE_S, unanswered, weigh
from overbooked.targets.errors import TransportFailed
from overbooked.targets.raw_connection import Connection

# What an actor's coroutine function is given: the replica it is pinned to, from 0.
Work = Callable[[int], Awaitable[Answer | None]]
Done = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Actor:
    """Somebody who takes part.

    Args:
        name: a short name for lanes.
        verb: what he sets out to do, a domain word.
        does: one request, or a coroutine function that is given the actor's replica and returns the
            answer that decides, None where there is none.
        replica: where his requests go; None: by his place among the actors.
    """

    name: str
    verb: str
    does: Action | Work
    replica: int | None = None


def as_actor(one: Action | Actor) -> Actor:
    """An action by itself is an actor who does just that."""
    return Actor(one.who, one.verb, one) if isinstance(one, Action) else one


class Part(Protocol):
    """An actor's part in one schedule. `start` and everything after it is in the relay's thread."""

    @property
    def name(self) -> str: ...

    @property
    def verb(self) -> str: ...

    @property
    def replica(self) -> int: ...

    @property
    def answer(self) -> Answer | None:
        """Once it is there; None for work that has none."""

    @property
    def failed(self) -> BaseException | None:
        """What went wrong with the harness's or the adapter's part of it."""

    def start(self, done: Done) -> None:
        """Set it going; `done` is called once, when its response is there or its work has ended."""

    def stop(self) -> None:
        """Give it up; safe when it has ended."""


class Request:
    """The part of an actor that does one action, of one request or of several in turn.

    Args:
        actor: with an Action to do.
        replica: where to.
        callers: whose connection it takes.
    """

    def __init__(self, actor: Actor, action: Action, replica: int, callers: Callers) -> None:
        self.name, self.verb, self.replica = actor.name, actor.verb, replica
        self.action = action
        self.answer: Answer | None = None
        self.failed: BaseException | None = None
        self.invoked_at = 0.0
        self.completed_at = 0.0
        self._callers = callers
        self._task: asyncio.Task[None] | None = None

    def start(self, done: Done) -> None:
        self.invoked_at = time.monotonic()
        self._task = asyncio.get_running_loop().create_task(self._send(done))

    async def _send(self, done: Done) -> None:
        try:
            self.answer = await self._exchanged()
            weigh(self.answer, self.invoked_at)
        except TransportFailed as error:
            self.completed_at = time.monotonic()
            self.answer = unanswered(error, since=self.invoked_at)
        except asyncio.CancelledError:
            self.completed_at = time.monotonic()
            self.answer = Answer(Outcome.UNKNOWN, None, problem="given up by the harness")
        except Exception as error:  # told to whoever runs the schedule, in his own thread
            self.failed = error
        done()

    async def _exchanged(self) -> Answer:
        exchanges = self.action.exchanges()
        request = next(exchanges)
        while True:
            response = await self._callers.send(request, self.replica)
            self.completed_at = time.monotonic()
            try:
                request = exchanges.send(response)
            except StopIteration as end:
                answer: Answer = end.value
                return answer

    def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()


class Errand:
    """The part of an actor whose work is a coroutine, on the event loop that the scenario runs on.

    Args:
        actor: with a coroutine function to do.
        replica: handed to it.
        home: the scenario's event loop.
    """

    def __init__(self, actor: Actor, work: Work, replica: int, home: asyncio.AbstractEventLoop) -> None:
        self.name, self.verb, self.replica = actor.name, actor.verb, replica
        self.answer: Answer | None = None
        self.failed: BaseException | None = None
        self._work = work
        self._home = home
        self._task: asyncio.Task[None] | None = None

    def start(self, done: Done) -> None:
        here = asyncio.get_running_loop()

        def begin() -> None:
            self._task = self._home.create_task(self._do(lambda: here.call_soon_threadsafe(done)))

        self._home.call_soon_threadsafe(begin)

    async def _do(self, done: Callable[[], object]) -> None:
        try:
            self.answer = await self._work(self.replica)
        except asyncio.CancelledError:
            self.answer = Answer(Outcome.UNKNOWN, None, problem="given up by the harness")
        except Exception as error:  # told to whoever runs the schedule
            self.failed = error
        done()

    def stop(self) -> None:
        def cancel() -> None:
            if self._task is not None:
                self._task.cancel()

        self._home.call_soon_threadsafe(cancel)


class Callers:
    """Warm connections to the doors of the replicas; lives in the relay's thread.

    Args:
        doors: of the replicas, in order.
    """

    def __init__(self, doors: Sequence[Door]) -> None:
        self._doors = tuple(doors)
        self._idle: list[list[Connection]] = [[] for _ in self._doors]

    async def ready(self, replicas: Sequence[int]) -> None:
        """Have an open connection for each of these requests to come."""
        taken = [await self._take(replica % len(self._doors)) for replica in replicas]
        for replica, connection in zip(replicas, taken, strict=True):
            self._idle[replica % len(self._doors)].append(connection)

    async def send(self, request: HttpRequest, replica: int) -> HttpResponse:
        """Send one request and read its response to the end; raises TransportFailed."""
        door = replica % len(self._doors)
        connection = await self._take(door)
        prefix = self._doors[door].prefix
        if prefix:
            request = replace(request, path=prefix + request.path)
        try:
            response = await connection.exchange(request)
        except BaseException:
            connection.close()
            raise
        if connection.is_open:
            connection.usable_until = time.monotonic() + KEEP_IDLE_S
            self._idle[door].append(connection)
        return response

    def close(self) -> None:
        """Close every connection."""
        for idle in self._idle:
            while idle:
                idle.pop().close()

    async def _take(self, door: int) -> Connection:
        idle = self._idle[door]
        while idle:
            connection = idle.pop()
            if connection.usable_until > time.monotonic() and connection.is_silent():
                return connection
            connection.close()
        where = self._doors[door]
        connection = Connection(where.host, where.port, where.authority)
        await connection.open()
        connection.usable_until = time.monotonic() + KEEP_IDLE_S
        return connection


def ended_as(part: Part) -> str:
    """How a part ended, in a word."""
    if part.failed is not None:
        return type(part.failed).__name__
    answer: Any = part.answer
    if answer is None:
        return "done"
    if answer.status is not None:
        return str(answer.status)
    return "no answer" if answer.unknown else str(answer.outcome.value)
