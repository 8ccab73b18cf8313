"""The stage of a stack: runs one schedule of a race on it, from the scenario's thread in the relay's."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from overbooked.bursts.last_byte_sync import door_of
from overbooked.histories.history import History
from overbooked.histories.operation import Operation
from overbooked.interleavings.scheduler.actors import Callers, Errand, Request
from overbooked.interleavings.scheduler.controller import Controller, Scheduled
from overbooked.interleavings.scheduler.gatekeeper import GatedLink
from overbooked.interleavings.scheduler.pg_blocking import SideConnection
from overbooked.interleavings.scheduler.race import Race, Ran
from overbooked.interleavings.scheduler.strategy import Chooser
from overbooked.interleavings.scheduler.timeouts import Experience, Limits
from overbooked.targets.adapter import Action, HttpRequest
from overbooked.targets.answer_summary import result_of, why
from overbooked.targets.system import System
from overbooked.wire.gate.boundary import Boundary

T = TypeVar("T")
# The service's own ways out are held; what comes to it is how actors begin.
_OUTWARD = "app->"


class ThreadedLink(GatedLink, Protocol):
    """A link that also runs a function in the relay's thread; RelayLink does."""

    def call(self, act: Callable[[], T]) -> T: ...


class Stage:
    """Runs schedules; open it before and close it after, both from the scenario's event loop.

    Args:
        system: whose replicas the actors' requests go to, and whose history they enter.
        links: of the stack, by name.
        dsn: a database URL for asking who waits for whom; None: there is no database.
        limits: how long to wait for what.
        harmless: whether a boundary that no actor owns changes nothing.
        splits: whether the commit of an autocommit statement is a step of its own; None: none is, and
            the end of a session is no step either, as in schedules of bundles of schema version 1.
        within_a_block: whether the procedures that a boundary calls are known to commit nothing.
    """

    def __init__(
        self,
        system: System,
        links: Mapping[str, ThreadedLink],
        dsn: str | None,
        *,
        limits: Limits | None = None,
        harmless: Callable[[Boundary], bool] = lambda _: False,
        splits: Callable[[Boundary], bool] | None = None,
        within_a_block: Callable[[Boundary], bool] = lambda _: False,
    ) -> None:
        self._system = system
        self._links = {name: link for name, link in links.items() if name.startswith(_OUTWARD)}
        some_link = next(iter(links.values()))
        self._relay: asyncio.AbstractEventLoop = some_link.call(asyncio.get_running_loop)
        self._side = SideConnection(dsn) if dsn else None
        self._doors = [door_of(url) for url in system.client.urls]
        self._callers = Callers(self._doors)
        self.limits = limits or Limits()
        self.harmless = harmless
        self.splits = splits
        self.within_a_block = within_a_block
        self._open = False

    @property
    def finds_deadlocks_at_once(self) -> bool:
        """Whether a deadlock always kills the transaction that closes it."""
        return self._side is not None and self._side.finds_deadlocks_at_once

    async def open(self) -> None:
        """Connect what needs connecting; without effect when it is open."""
        if not self._open:
            self._open = True
            if self._side is not None:
                await self._there(self._side.open())

    async def close(self) -> None:
        """Let go of every connection and put settings back; safe to repeat."""
        if self._open:
            self._open = False
            await self._there(self._shut())

    async def _shut(self) -> None:
        self._callers.close()
        if self._side is not None:
            await self._side.close()

    async def run(
        self,
        race: Race,
        choose: Chooser,
        *,
        begun: float,
        experience: Experience | None = None,
        learning: bool = False,
    ) -> tuple[Ran, Scheduled]:
        """Run one schedule of a race that is ready.

        Args:
            choose: who goes next.
            begun: when the race was begun to be made, by the recorder's clock.
            experience: of earlier schedules of this race.
            learning: begin actors one after another.

        Raises:
            HarnessError: the schedule cannot be followed, or the harness's own part of it failed.
        """
        await self.open()
        home = asyncio.get_running_loop()
        parts: list[Request | Errand] = []
        for number, actor in enumerate(race.cast):
            replica = (number if actor.replica is None else actor.replica) % len(self._doors)
            if isinstance(actor.does, Action):
                parts.append(Request(actor, actor.does, replica, self._callers))
            else:
                parts.append(Errand(actor, actor.does, replica, home))
        scheduled = await self._there(self._run(parts, choose, experience, learning))
        for part in parts:
            if isinstance(part, Request):
                self._record(part)
        since = History(tuple(op for op in self._system.history if op.invoked_at >= begun))
        return Ran(race, [part.answer for part in parts], since, scheduled.trace), scheduled

    async def _run(
        self,
        parts: Sequence[Request | Errand],
        choose: Chooser,
        experience: Experience | None,
        learning: bool,
    ) -> Scheduled:
        await self._callers.ready([part.replica for part in parts if isinstance(part, Request)])
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
        )
        return await controller.run()

    async def one_after_another(self, requests: Sequence[tuple[HttpRequest, int]]) -> float:
        """Send requests in turn with no gate in force; seconds it took. What exploring is measured by."""

        async def send() -> float:
            await self._callers.ready([replica for _, replica in requests])
            started = time.monotonic()
            for request, replica in requests:
                await self._callers.send(request, replica)
            return time.monotonic() - started

        return await self._there(send())

    def _record(self, part: Request) -> None:
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
                result=result_of(answer),
                problem=why(answer),
            )
        )

    async def _there(self, work: Coroutine[Any, Any, T]) -> T:
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._relay))
