"""An in-memory gate with a service and a journey (the "toll" stack), to sweep without a server."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from overbooked.errors import GapFound, NotSupported
from overbooked.fault_points.journey import Findings, Mark
from overbooked.stacks.base.protocol import Stack
from overbooked.wire.gate.boundary import Boundary, FaultKind, Gatekeeper, Reply, WireProtocol

STALL_S = 0.02
LINKS = {"app->postgres": WireProtocol.POSTGRES, "app->payments": WireProtocol.HTTP}


class Lost(Exception):
    """The connection broke."""


class Refused(Exception):
    """The server answered with an error."""


class TollHeld:
    """One boundary at the gate."""

    def __init__(self, boundary: Boundary, answer_bytes: int, refuses: str = "") -> None:
        self.boundary = boundary
        self.reply: Reply | None = None
        self.done: list[str] = []
        self.cancelled = False
        self._answer_bytes = answer_bytes
        self._refuses = refuses

    def go(self) -> None:
        self.done.append("go")
        self.reply = Reply("OK", size_bytes=self._answer_bytes)

    def fail(self, kind: FaultKind, *, code: str = "", message: str = "") -> None:
        if self._refuses:
            raise NotSupported(self._refuses)
        self.done.append(f"fail {kind.value} {code}".strip())

    def deliver(self, *, pieces: int = 1, pause_s: float = 0.0) -> None:
        self.done.append(f"deliver in {pieces}" if pieces > 1 else "deliver")

    def lose(self) -> None:
        self.done.append("lose")


class TollLink:
    """A link whose gate can be engaged."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.keeper: Gatekeeper | None = None
        self.count = 0

    def gate(self, keeper: Gatekeeper | None) -> None:
        self.keeper = keeper


class TollProcess:
    """A replica; a restart takes one turn of the loop."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.up = True
        self.kills = 0

    def alive(self) -> bool:
        return self.up

    def kill(self) -> None:
        self.up = False
        self.kills += 1

    async def start(self) -> None:
        await asyncio.sleep(0)
        self.up = True


@dataclass
class TollStack:
    """The part of a stack that a sweep needs."""

    links: Mapping[str, TollLink] = field(default_factory=lambda: {name: TollLink(name) for name in LINKS})
    processes: Mapping[str, TollProcess] = field(
        default_factory=lambda: {name: TollProcess(name) for name in ("app", "app-2")}
    )
    replicas: Sequence[str] = ("app", "app-2")
    refuses: str = ""
    answer_bytes: int = 9
    kind: str = "embedded"
    versions: Mapping[str, str] = field(default_factory=dict)

    async def check(self) -> None:
        """Do nothing: no part dies by itself."""

    def as_stack(self) -> Stack:
        return self  # type: ignore[return-value]

    async def cross(
        self, replica: int, link: str, verb: str, effect: Callable[[], None] = lambda: None
    ) -> None:
        """Send one message through the gate.

        Raises:
            Lost: the connection broke, or the replica is dead.
            Refused: the answer is an error.
        """
        process = self.processes[self.replicas[replica % len(self.replicas)]]
        if not process.up:
            raise Lost
        gate = self.links[link]
        gate.count += 1
        boundary = Boundary(link, LINKS[link], 1, gate.count, verb, f"{verb} {gate.count}", verb)
        held = TollHeld(boundary, self.answer_bytes, self.refuses)
        if gate.keeper is None:
            effect()
            return
        gate.keeper.on_request(held)
        if held.done[-1].startswith("fail"):
            if "stall" in held.done[-1]:
                await asyncio.sleep(STALL_S)
                gate.keeper.on_close(link, 1, held)
            raise (Refused if "error" in held.done[-1] else Lost)
        effect()
        await asyncio.sleep(0)
        gate.keeper.on_reply(held)
        if held.done[-1] == "go":  # the answer is withheld
            await asyncio.sleep(STALL_S)
            gate.keeper.on_close(link, 1, held)
            raise Lost
        if held.done[-1] == "lose":
            raise Lost


@dataclass
class TollBooks:
    """The durable state."""

    charged: set[int] = field(default_factory=set)
    booked: set[int] = field(default_factory=set)


class TollTrial:
    """One purchase: charge at the provider, then book; it is a finding if charged and not booked."""

    def __init__(self, journey: TollJourney, number: int) -> None:
        self.findings = Findings()
        self.patient = False
        self.number = number
        self.undecided = True
        self._journey = journey

    async def ready(self) -> None:
        self._journey.readied.append(self.number)

    async def play(self, replica: int, mark: Mark) -> None:
        for n in range(2):
            try:
                await self._pay(replica + n, mark)
            except (Lost, Refused):
                continue
            return

    async def _pay(self, replica: int, mark: Mark) -> None:
        books, cross = self._journey.books, self._journey.stack.cross
        mark("charge")
        await cross(replica, "app->payments", "POST", lambda: books.charged.add(self.number))
        mark("book")
        await cross(replica, "app->postgres", "BEGIN")
        await cross(replica, "app->postgres", "INSERT")
        await cross(replica, "app->postgres", "COMMIT", lambda: books.booked.add(self.number))
        self.undecided = False

    @property
    def done(self) -> bool:
        return not self.undecided

    async def glance(self) -> None:
        self._journey.glanced += 1

    async def recover(self, replica: int, way: str) -> None:
        await self.play(replica, lambda step: None)


class TollJourney:
    """Purchases; `recovers` is what recovery does with interrupted ones."""

    name = "toll"
    links: Sequence[str] = tuple(LINKS)
    replica: int | None = None
    aspects: Mapping[str, str] = {"money": "whoever is charged is booked"}
    recoveries: Sequence[str] = ("again",)

    def __init__(self, stack: TollStack, *, recovers: bool = True) -> None:
        self.stack = stack
        self.books = TollBooks()
        self.readied: list[int] = []
        self.glanced = 0
        self.batches: list[int] = []
        self._recovers = recovers
        self._trials = 0

    async def prepare(self, n: int) -> Sequence[TollTrial]:
        self._trials += n
        return [TollTrial(self, self._trials - n + one) for one in range(n)]

    async def probe(self, replica: int) -> None:
        for link in LINKS:
            try:
                await self.stack.cross(replica, link, "PING")
            except (Lost, Refused):
                return

    async def later(self) -> None:
        """Do nothing: nothing here depends on time."""

    async def finish(self, trials: Sequence[TollTrial]) -> None:
        self.batches.append(len(trials))
        if self._recovers:
            self.books.booked |= self.books.charged
        for trial in trials:
            if (trial.number in self.books.charged) != (trial.number in self.books.booked):
                trial.findings.add("money", GapFound("charged and not booked"))


Work = Callable[[], Awaitable[None]]
