"""Runs schedules of a race on a stack; called in the scenario's thread, executed in the relay's."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from overbooked.histories.history import History
from overbooked.histories.operation import Operation
from overbooked.interleavings.scheduler.actors import ConnectionPool, CoroutineTask, RequestTask
from overbooked.interleavings.scheduler.controller import Controller, ScheduleRun
from overbooked.interleavings.scheduler.gatekeeper import GatedLink
from overbooked.interleavings.scheduler.pg_blocking import PgLockInspector
from overbooked.interleavings.scheduler.race import Race, RaceResult
from overbooked.interleavings.scheduler.strategy import Strategy
from overbooked.interleavings.scheduler.timeouts import LearnedBehaviour, Timeouts
from overbooked.system.system import System
from overbooked.targets.adapter import Action, HttpRequest
from overbooked.targets.answer_summary import result, why
from overbooked.targets.endpoint import endpoint_of
from overbooked.wire.gate.boundary import Boundary

T = TypeVar("T")
# Only links from the service are held; requests to it start the actors.
_OUTWARD = "app->"


class ThreadedLink(GatedLink, Protocol):
    """A link that also runs a function in the relay's thread; `RelayLink` is one."""

    def call(self, act: Callable[[], T]) -> T: ...


class ScheduleRunner:
    """Runs schedules; open and close it from the scenario's event loop.

    Args:
        system: receives the actors' requests; its history records them.
        links: the links of the stack, by name.
        dsn: a database URL for querying lock waits; None: there is no database.
        limits: the timeouts.
        harmless: returns whether a boundary that no actor owns changes nothing.
        splits: returns whether the commit of an autocommit statement is a separate step; None: never, and
            the end of a session is not a step either, as in bundles of schema version 1.
        within_a_block: returns whether the procedures that a boundary calls are known not to commit.
        begins_apart: whether the beginning of an actor is a step; else all actors begin before the first
            step, as in bundles of schema versions 1 and 2.
    """

    def __init__(
        self,
        system: System,
        links: Mapping[str, ThreadedLink],
        dsn: str | None,
        *,
        limits: Timeouts | None = None,
        harmless: Callable[[Boundary], bool] = lambda _: False,
        splits: Callable[[Boundary], bool] | None = None,
        within_a_block: Callable[[Boundary], bool] = lambda _: False,
        begins_apart: bool = False,
    ) -> None:
        self._system = system
        self._links = {name: link for name, link in links.items() if name.startswith(_OUTWARD)}
        some_link = next(iter(links.values()))
        self._relay: asyncio.AbstractEventLoop = some_link.call(asyncio.get_running_loop)
        self._side = PgLockInspector(dsn) if dsn else None
        self._endpoints = [endpoint_of(url) for url in system.client.urls]
        self._callers = ConnectionPool(self._endpoints)
        self.limits = limits or Timeouts()
        self.harmless = harmless
        self.splits = splits
        self.within_a_block = within_a_block
        self.begins_apart = begins_apart
        self._open = False

    @property
    def finds_deadlocks_at_once(self) -> bool:
        """Whether a deadlock always aborts the transaction that closes the cycle."""
        return self._side is not None and self._side.finds_deadlocks_at_once

    async def open(self) -> None:
        """Connect; no effect if already open."""
        if not self._open:
            self._open = True
            if self._side is not None:
                await self._in_relay_thread(self._side.open())

    async def close(self) -> None:
        """Close every connection and restore settings; idempotent."""
        if self._open:
            self._open = False
            await self._in_relay_thread(self._shut())

    async def _shut(self) -> None:
        self._callers.close()
        if self._side is not None:
            await self._side.close()

    async def run(
        self,
        race: Race,
        choose: Strategy,
        *,
        experience: LearnedBehaviour | None = None,
        learning: bool = False,
    ) -> tuple[RaceResult, ScheduleRun]:
        """Run one schedule of a prepared race.


        Args:
            choose: the strategy.
            experience: the behaviour learnt by earlier schedules of this race.
            learning: start the actors sequentially.

        Raises:
            HarnessError: the schedule cannot be followed, or the harness failed.
        """
        await self.open()
        home = asyncio.get_running_loop()
        parts: list[RequestTask | CoroutineTask] = []
        for number, actor in enumerate(race.actors):
            replica = (number if actor.replica is None else actor.replica) % len(self._endpoints)
            if isinstance(actor.does, Action):
                parts.append(RequestTask(actor, actor.does, replica, self._callers))
            else:
                parts.append(CoroutineTask(actor, actor.does, replica, home))
        scheduled = await self._in_relay_thread(self._run(parts, choose, experience, learning))
        for part in parts:
            if isinstance(part, RequestTask):
                self._record(part)
        since = History(tuple(op for op in self._system.history if op.invoked_at >= race.begun))
        return RaceResult(race, [part.answer for part in parts], since, scheduled.trace), scheduled

    async def _run(
        self,
        parts: Sequence[RequestTask | CoroutineTask],
        choose: Strategy,
        experience: LearnedBehaviour | None,
        learning: bool,
    ) -> ScheduleRun:
        await self._callers.ready([part.replica for part in parts if isinstance(part, RequestTask)])
        controller = Controller(
            parts,
            self._links,
            choose,
            blocking=self._side,
            limits=self.limits,
            experience=experience,
            harmless=self.harmless,
            learning=learning,
            splits=self.splits,
            within_a_block=self.within_a_block,
            begins_apart=self.begins_apart,
        )
        return await controller.run()

    async def one_after_another(self, requests: Sequence[tuple[HttpRequest, int]]) -> float:
        """Send requests sequentially without holding them; return the duration in seconds, the baseline of a
        schedule's cost."""

        async def send() -> float:
            await self._callers.ready([replica for _, replica in requests])
            started = time.monotonic()
            for request, replica in requests:
                await self._callers.send(request, replica)
            return time.monotonic() - started

        return await self._in_relay_thread(send())

    def _record(self, part: RequestTask) -> None:
        answer = part.answer
        if answer is None:
            return
        self._system.recorder.add(
            Operation(
                actor=part.name,
                verb=part.verb,
                args=dict(part.action.args),
                invoked_at=part.invoked_at,
                completed_at=part.completed_at,
                outcome=answer.outcome,
                result=result(answer),
                problem=why(answer),
            )
        )

    async def _in_relay_thread(self, work: Coroutine[Any, Any, T]) -> T:
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._relay))
