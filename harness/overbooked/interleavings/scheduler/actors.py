"""Actors of a race, and the tasks that run them.

An actor is a client's request (an `Action`) or a coroutine: a job, a delivery, a journey of several requests.
Requests are sent from the relay's thread on warm connections, so that only the service and its servers add
latency between boundaries.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from overbooked.targets.adapter import Action, Answer, HttpRequest, HttpResponse, Outcome
from overbooked.targets.client import KEEP_IDLE_S, unknown_answer, weigh
from overbooked.targets.endpoint import Endpoint
from overbooked.targets.errors import TransportError
from overbooked.targets.raw_connection import Connection

# An actor's coroutine function receives the replica that it is pinned to, from 0.
Work = Callable[[int], Awaitable[Answer | None]]
Done = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Actor:
    """One concurrent participant of a race.

    Args:
        name: a short name for lanes.
        verb: the domain verb of what it does.
        does: one action, or a coroutine function that receives the actor's replica and returns the
            deciding answer, or None if there is none.
        replica: the replica that its requests go to; None: chosen by its index among the actors.
    """

    name: str
    verb: str
    does: Action | Work
    replica: int | None = None


def as_actor(one: Action | Actor) -> Actor:
    """Wrap an action as an actor that performs it; return an actor unchanged."""
    return Actor(one.who, one.verb, one) if isinstance(one, Action) else one


class ActorTask(Protocol):
    """An actor's work in one schedule. `start` and `stop` are called in the relay's thread."""

    @property
    def name(self) -> str: ...

    @property
    def verb(self) -> str: ...

    @property
    def replica(self) -> int: ...

    @property
    def answer(self) -> Answer | None:
        """The answer once it has arrived; None for work without an answer."""

    @property
    def failed(self) -> BaseException | None:
        """An error of the harness or the adapter, if any."""

    def start(self, done: Done) -> None:
        """Start the work; `done` is called once, when the response has arrived or the work has ended."""

    def stop(self) -> None:
        """Cancel the work; no effect after its end."""


class RequestTask:
    """The task of an actor that performs an action of one or several sequential requests.

    Args:
        actor: the actor.
        action: its action.
        replica: index of the replica that receives its requests.
        callers: the pool of connections.
    """

    def __init__(self, actor: Actor, action: Action, replica: int, callers: ConnectionPool) -> None:
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
        except TransportError as error:
            self.completed_at = time.monotonic()
            self.answer = unknown_answer(error, since=self.invoked_at)
        except asyncio.CancelledError:
            self.completed_at = time.monotonic()
            self.answer = Answer(Outcome.UNKNOWN, None, problem="given up by the harness")
        except Exception as error:  # the controller raises it again
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


class CoroutineTask:
    """The task of an actor whose work is a coroutine; it runs on the scenario's event loop.

    Args:
        actor: the actor.
        work: its coroutine function.
        replica: index of the replica, passed to `work`.
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
        except Exception as error:  # the controller raises it again
            self.failed = error
        done()

    def stop(self) -> None:
        def cancel() -> None:
            if self._task is not None:
                self._task.cancel()

        self._home.call_soon_threadsafe(cancel)


class ConnectionPool:
    """Warm connections to the replicas; used only in the relay's thread.

    Args:
        endpoints: the endpoints of the replicas, in order.
    """

    def __init__(self, endpoints: Sequence[Endpoint]) -> None:
        self._endpoints = tuple(endpoints)
        self._idle: list[list[Connection]] = [[] for _ in self._endpoints]

    async def ready(self, replicas: Sequence[int]) -> None:
        """Open a connection for each coming request, given the replica of each."""
        taken = [await self._take(replica % len(self._endpoints)) for replica in replicas]
        for replica, connection in zip(replicas, taken, strict=True):
            self._idle[replica % len(self._endpoints)].append(connection)

    async def send(self, request: HttpRequest, replica: int) -> HttpResponse:
        """Send one request and read the complete response.

        Raises:
            TransportError: no complete response arrived.
        """
        endpoint = replica % len(self._endpoints)
        connection = await self._take(endpoint)
        prefix = self._endpoints[endpoint].prefix
        if prefix:
            request = replace(request, path=prefix + request.path)
        try:
            response = await connection.exchange(request)
        except BaseException:
            connection.close()
            raise
        if connection.is_open:
            connection.usable_until = time.monotonic() + KEEP_IDLE_S
            self._idle[endpoint].append(connection)
        return response

    def close(self) -> None:
        """Close every connection."""
        for idle in self._idle:
            while idle:
                idle.pop().close()

    async def _take(self, endpoint: int) -> Connection:
        idle = self._idle[endpoint]
        while idle:
            connection = idle.pop()
            if connection.usable_until > time.monotonic() and connection.is_silent():
                return connection
            connection.close()
        where = self._endpoints[endpoint]
        connection = Connection(where.host, where.port, where.authority)
        await connection.open()
        connection.usable_until = time.monotonic() + KEEP_IDLE_S
        return connection


def describe_end(part: ActorTask) -> str:
    """Return the result of an actor in a word: a status, `done`, `no answer` or the name of an error."""
    if part.failed is not None:
        return type(part.failed).__name__
    answer: Any = part.answer
    if answer is None:
        return "done"
    if answer.status is not None:
        return str(answer.status)
    return "no answer" if answer.unknown else str(answer.outcome.value)
