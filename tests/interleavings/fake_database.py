"""An in-memory server with locks behind an in-memory gate, for tests of the explorer.

Keys have integer values; a transaction holds the locks of its writes until it ends. Every statement passes
`Held`, as on a real link, and takes one turn of the event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from overbooked.interleavings.scheduler.actors import Actor, CoroutineTask
from overbooked.interleavings.scheduler.controller import Controller, LearnedBehaviour, ScheduleRun, Timeouts
from overbooked.interleavings.scheduler.strategy import ByFunction, SchedulingPoint, Strategy
from overbooked.interleavings.strategies.replay import Replay
from overbooked.targets.adapter import Answer, Outcome
from overbooked.wire.gate.boundary import Boundary, FaultKind, Gatekeeper, Reply, WireProtocol

LINK = "app->postgres"
FAST = Timeouts(
    first_look_s=0.001,
    look_s=0.001,
    quiet_s=0.001,
    settle_s=0.001,
    nested_s=0.002,
    progress_s=0.03,
    parked_before_s=0.01,
    blocker_s=0.05,
    stuck_s=0.1,
    schedule_s=3.0,
)


class SimulatedLink:
    def __init__(self, name: str = LINK) -> None:
        self.name = name
        self.keeper: Gatekeeper | None = None

    def gate(self, keeper: Gatekeeper | None) -> None:
        self.keeper = keeper


class SimulatedHeld:
    def __init__(self, server: Server, session: Session, boundary: Boundary, work: Work) -> None:
        self.boundary = boundary
        self.reply: Reply | None = None
        self.session = session
        self.work = work
        self.value = 0
        self.delivered: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._server = server

    def go(self) -> None:
        asyncio.get_running_loop().call_soon(self._server.execute, self)

    def deliver(self, *, pieces: int = 1, pause_s: float = 0.0) -> None:
        if not self.delivered.done():
            self.delivered.set_result(self.value)

    def fail(self, kind: FaultKind, *, code: str = "", message: str = "") -> None:
        raise NotImplementedError

    def lose(self) -> None:
        raise NotImplementedError


Work = Callable[["SimulatedHeld"], Reply | None]


class Deadlock(Exception):
    pass


@dataclass
class Server:
    """The database; `blockers` is the equivalent of pg_blocking_pids."""

    link: SimulatedLink = field(default_factory=SimulatedLink)
    data: dict[str, int] = field(default_factory=dict)
    locks: dict[str, int] = field(default_factory=dict)
    queue: list[tuple[SimulatedHeld, str]] = field(default_factory=list)
    executed: list[str] = field(default_factory=list)
    sessions: int = 0
    finds_deadlocks_at_once: bool = True
    looks: int = 0
    asked: list[SimulatedHeld] = field(default_factory=list)

    def session(self) -> Session:
        self.sessions += 1
        return Session(self, self.sessions, 1000 + self.sessions)

    async def blockers(self, pid: int) -> Sequence[int]:
        self.looks += 1
        await asyncio.sleep(0)
        return [
            self.locks[key]
            for held, key in self.queue
            if held.session.pid == pid and self.locks.get(key, pid) != pid
        ]

    async def describe(self, pids: Sequence[int]) -> str:
        return ", ".join(f"backend {pid}" for pid in pids)

    def execute(self, held: SimulatedHeld) -> None:
        reply = held.work(held)
        if reply is None:
            return
        self.executed.append(f"{held.session.number}: {held.boundary.text}")
        held.reply = reply
        if self.link.keeper is not None:
            self.link.keeper.on_reply(held)
        else:
            held.deliver()

    def acquire(self, held: SimulatedHeld, key: str) -> bool:
        owner = self.locks.setdefault(key, held.session.pid)
        if owner == held.session.pid:
            return True
        waits = {waiting.session.pid: self.locks[on] for waiting, on in self.queue}
        while owner in waits:
            owner = waits[owner]
            if owner == held.session.pid:
                raise Deadlock
        self.queue.append((held, key))
        return False

    def release(self, pid: int) -> None:
        for key in [key for key, owner in self.locks.items() if owner == pid]:
            del self.locks[key]
        waiting, self.queue = self.queue, []
        for held, _ in waiting:
            asyncio.get_running_loop().call_soon(self.execute, held)


@dataclass
class Session:
    """One connection of the service to the server."""

    server: Server
    number: int
    pid: int
    in_transaction: bool = False
    undo: dict[str, int] = field(default_factory=dict)
    ordinal: int = 0

    async def _do(self, text: str, work: Work) -> int:
        self.ordinal += 1
        verb = text.split(maxsplit=1)[0]
        boundary = Boundary(
            LINK,
            WireProtocol.POSTGRES,
            self.number,
            self.ordinal,
            verb,
            text,
            text,
            in_transaction=self.in_transaction,
            backend_pid=self.pid,
        )
        held = SimulatedHeld(self.server, self, boundary, work)
        self.server.asked.append(held)
        keeper = self.server.link.keeper
        if keeper is None:
            held.go()
        else:
            keeper.on_request(held)
        value = await held.delivered
        if held.reply is not None and held.reply.error == "40P01":
            raise Deadlock
        return value

    async def begin(self) -> None:
        def work(_: SimulatedHeld) -> Reply:
            self.in_transaction = True
            return Reply("BEGIN", in_transaction=True)

        await self._do("BEGIN", work)

    async def read(self, key: str) -> int:
        def work(held: SimulatedHeld) -> Reply:
            held.value = self.server.data.get(key, 0)
            return Reply("SELECT 1", rows=1, in_transaction=self.in_transaction)

        return await self._do(f"SELECT {key}", work)

    async def lock(self, key: str) -> int:
        return await self._locking(f"SELECT {key} FOR UPDATE", key, None)

    async def write(self, key: str, value: int) -> None:
        await self._locking(f"UPDATE {key}", key, value)

    async def _locking(self, text: str, key: str, value: int | None) -> int:
        def work(held: SimulatedHeld) -> Reply | None:
            try:
                if not self.server.acquire(held, key):
                    return None
            except Deadlock:
                return Reply("ERROR", error="40P01", in_transaction=self.in_transaction)
            if value is not None:
                self.undo.setdefault(key, self.server.data.get(key, 0))
                self.server.data[key] = value
            held.value = self.server.data.get(key, 0)
            if not self.in_transaction:
                self.undo.clear()
                self.server.release(self.pid)
            return Reply(f"{text.split(maxsplit=1)[0]} 1", rows=1, in_transaction=self.in_transaction)

        return await self._do(text, work)

    async def fail(self, code: str, text: str = "SELECT slow") -> None:
        await self._do(text, lambda _: Reply("ERROR", error=code, in_transaction=self.in_transaction))

    async def poll(self, key: str) -> int:
        def work(held: SimulatedHeld) -> Reply:
            held.value = self.server.data.get(key, 0)
            return Reply(f"SELECT {held.value}", rows=held.value)

        return await self._do(f"SELECT {key}", work)

    async def commit(self) -> None:
        await self._end("COMMIT", undo=False)

    async def rollback(self) -> None:
        await self._end("ROLLBACK", undo=True)

    async def _end(self, text: str, *, undo: bool) -> None:
        def work(_: SimulatedHeld) -> Reply:
            if undo:
                self.server.data.update(self.undo)
            self.undo.clear()
            self.in_transaction = False
            self.server.release(self.pid)
            return Reply(text)

        await self._do(text, work)


Program = Callable[[], Awaitable[object]]


def parts(*programs: Program) -> list[CoroutineTask]:
    home = asyncio.get_running_loop()

    def errand(number: int, program: Program) -> CoroutineTask:
        async def work(_: int) -> Answer:
            result = await program()
            return Answer(Outcome.OK, 201, facts={"result": result})

        name = ("ana", "ben", "cem", "dan")[number]
        return CoroutineTask(Actor(name, "works", work), work, 0, home)

    return [errand(n, program) for n, program in enumerate(programs)]


Choose = Callable[[SchedulingPoint], int | Awaitable[int]]


async def play(
    server: Server,
    *programs: Program,
    schedule: Sequence[int] = (),
    choose: Strategy | Choose | None = None,
    limits: Timeouts = FAST,
    experience: LearnedBehaviour | None = None,
    learning: bool = False,
) -> ScheduleRun:
    """Run one schedule of these programs; without a schedule they run one after another."""
    strategy = ByFunction(choose) if callable(choose) else choose or Replay(schedule)
    controller = Controller(
        parts(*programs),
        {server.link.name: server.link},
        strategy,
        blocking=server,
        limits=limits,
        experience=experience,
        harmless=lambda boundary: boundary.verb == "SELECT",
        learning=learning,
    )
    return await controller.run()
