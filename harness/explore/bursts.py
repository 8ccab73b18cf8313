"""Bursts: requests of many clients that become whole in the same instant.

Connections are opened and warmed first; each request is sent but for its last byte; then, at a
barrier, all last bytes leave together. What remains between first and last is measured and told.
A burst complements the gate and is never the only proof: its verdict rests on enough rounds.
"""

from __future__ import annotations

import asyncio
import ipaddress
import statistics
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple
from urllib.parse import urlsplit

from harness.errors import HarnessError, HostNotAllowed, NotSupported
from harness.explore.connections import Connection
from harness.explore.rounds import Played, Round, odds
from harness.histories.operation import Operation
from harness.targets.port import Action, Answer, HttpRequest
from harness.targets.recording import result_of, why
from harness.targets.sending import Patience, unanswered, understood
from harness.targets.system import System
from harness.targets.transport import TransportFailed
from harness.verdicts.judge import Judge

# A connection that idled longer than this may just be being closed by its server.
KEEP_IDLE_S = 2.0
# How often a connection that dies before the barrier is replaced.
TRIES = 3

MakeRound = Callable[[int], Awaitable[Round]]
Check = Callable[[Played], Awaitable[None] | None]
Guard = Callable[[str], None]


def loopback_only(host: str) -> None:
    """The rule where no allow-list is given.

    Raises:
        HostNotAllowed: the host is not this machine.
    """
    try:
        local = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        local = False
    if not local:
        raise HostNotAllowed(
            f"a burst was aimed at {host}, which is neither loopback nor allowed; "
            "name it in the allow-list if it is yours to burden"
        )


class _Door(NamedTuple):
    """Where a replica is reached; `prefix` goes before every path."""

    host: str
    port: int
    prefix: str


@dataclass(slots=True)
class _Bay:
    """A connection with the request it holds."""

    connection: Connection
    action: Action
    held_at: float = 0.0
    early: bool = False
    released_at: float | None = None
    broken: TransportFailed | None = None


class Races:
    """Plays races against a system; the `races` fixture.

    Args:
        system: its replicas take turns; operations go into its history.
        judge: takes counts and notes.
        guard: raises HostNotAllowed for a host that must not be burdened.
        warm_path: a path that costs the service nothing, e.g. its health; any answer will do.
        patience: when to give an answer up.
    """

    def __init__(
        self,
        system: System,
        judge: Judge,
        *,
        guard: Guard = loopback_only,
        warm_path: str = "/",
        patience: Patience | None = None,
    ) -> None:
        self._system = system
        self._judge = judge
        self._warm = HttpRequest("GET", warm_path)
        self._patience = patience or Patience()
        self._doors = [_door(url) for url in system.client.urls]
        for door in self._doors:
            guard(door.host)
        self._idle: list[deque[Connection]] = [deque() for _ in self._doors]
        self._spreads_us: list[float] = []
        self._largest = 0

    async def close(self) -> None:
        """Close every connection."""
        for idle in self._idle:
            while idle:
                idle.pop().close()

    # -- one burst -----------------------------------------------------------------------------

    async def burst(self, actions: Sequence[Action]) -> list[Answer]:
        """Release all actions together; their answers, in the same order.

        The replicas take turns. An answer that does not come in time, or breaks off, is UNKNOWN.

        Raises:
            HarnessError: the connections could not be made ready, so nothing was released.
        """
        if not actions:
            raise ValueError("a burst needs at least one action")
        bays = await self._hold(actions)
        self._release(bays)
        answers = list(await asyncio.gather(*(self._answer(bay) for bay in bays)))
        self._tell(bays)
        for n, bay in enumerate(bays):
            self._park(n, bay.connection)
        return answers

    async def _hold(self, actions: Sequence[Action]) -> list[_Bay]:
        bays = list(await asyncio.gather(*(self._held(n, action) for n, action in enumerate(actions))))
        for _ in range(TRIES):
            lost = [n for n, bay in enumerate(bays) if not bay.connection.is_silent()]
            if not lost:
                return bays
            # A server may drop a connection that waits; a request without its end has no effect.
            for n in lost:
                bays[n].connection.close()
                bays[n] = await self._held(n, actions[n])
        for bay in bays:
            bay.early = not bay.connection.is_silent()
        return bays

    async def _held(self, n: int, action: Action) -> _Bay:
        for left in reversed(range(TRIES)):
            try:
                async with asyncio.timeout(self._patience.answer_s):
                    connection = await self._warmed(n)
                    held_at = time.monotonic()
                    await connection.hold(self._addressed(n, action.request))
                    return _Bay(connection, action, held_at)
            except (TransportFailed, TimeoutError) as error:
                if not left:
                    host, port, _ = self._doors[n % len(self._doors)]
                    raise HarnessError(
                        f"a burst of connections to {host}:{port} could not be made ready: {error!r}; "
                        "is the service up, and its link without toxics?"
                    ) from error
        raise AssertionError("unreachable")

    async def _warmed(self, n: int) -> Connection:
        door = n % len(self._doors)
        idle = self._idle[door]
        while idle:
            connection = idle.popleft()
            if connection.usable_until > time.monotonic() and connection.is_silent():
                return connection
            connection.close()
        host, port, _ = self._doors[door]
        connection = Connection(host, port, f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
        await connection.open()
        await connection.exchange(self._addressed(n, self._warm))
        if not connection.is_open:  # the server closes after each answer: take it as it is
            await connection.open()
        return connection

    def _addressed(self, n: int, request: HttpRequest) -> HttpRequest:
        prefix = self._doors[n % len(self._doors)].prefix
        return replace(request, path=prefix + request.path) if prefix else request

    @staticmethod
    def _release(bays: Sequence[_Bay]) -> None:
        for bay in bays:
            try:
                bay.released_at = bay.connection.release()
            except TransportFailed as error:
                bay.broken = error

    async def _answer(self, bay: _Bay) -> Answer:
        action = bay.action
        # A service that answers before it has the whole request may also act before.
        invoked_at = bay.held_at if bay.early or bay.released_at is None else bay.released_at
        try:
            if bay.broken is not None:
                raise bay.broken
            async with asyncio.timeout(self._patience.answer_s):
                response = await bay.connection.receive()
            completed_at = time.monotonic()
            answer = understood(action, response)
        except TransportFailed as error:
            completed_at = time.monotonic()
            answer = unanswered(error)
        except TimeoutError:
            completed_at = time.monotonic()
            bay.connection.close()
            late = TransportFailed(f"no answer within {self._patience.answer_s:g} s", stage="receive")
            answer = unanswered(late)
        self._system.recorder.add(
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

    def _park(self, n: int, connection: Connection) -> None:
        if connection.is_open:
            connection.usable_until = time.monotonic() + KEEP_IDLE_S
            self._idle[n % len(self._doors)].append(connection)

    def _tell(self, bays: Sequence[_Bay]) -> None:
        released = [bay.released_at for bay in bays if bay.released_at is not None]
        self._judge.count("bursts")
        self._judge.count("requests", len(bays))
        if len(released) > 1:
            self._spreads_us.append((max(released) - min(released)) * 1e6)
            self._largest = max(self._largest, len(bays))
            self._judge.note(
                "simultaneity_us",
                {
                    "median": round(statistics.median(self._spreads_us)),
                    "worst": round(max(self._spreads_us)),
                    "largest_burst": self._largest,
                },
            )

    # -- many rounds ---------------------------------------------------------------------------

    async def rounds(
        self, n: int, make_round: MakeRound, check: Check, *, detects: float | None = None
    ) -> list[Played]:
        """Play `n` rounds, each on what `make_round` prepares for it, and check each.

        It stops early when the judge has found every clause of the scenario open: nothing further
        could be learnt.

        Args:
            n: how many, at least 1.
            make_round: prepares a round, given its number from 0; its slots are its own.
            check: raises GapFound, or judges its clauses itself.
            detects: the measured chance that one round shows the hardest of the defects this is to
                find; the odds over all rounds are noted as evidence.

        Raises:
            GapFound: what `check` found.
        """
        if n < 1:
            raise ValueError(f"a race needs at least one round, got {n}")
        played: list[Played] = []
        self._judge.count("rounds", 0)
        for number in range(n):
            begun = self._system.recorder.now()
            made = await make_round(number)
            answers = await self.burst(made.actions)
            result = Played(number, made, answers, self._system.history_since(begun))
            played.append(result)
            self._judge.count("rounds")
            checked = check(result)
            if checked is not None:
                await checked
            if set(self._judge.clauses) <= set(self._judge.open_clauses):
                break
        if detects is not None:
            self._judge.note(
                "odds",
                {"per_round": detects, "rounds": len(played), "missed": 1 - odds(detects, len(played))},
            )
        return played


def _door(url: str) -> _Door:
    parts = urlsplit(url)
    if parts.scheme != "http" or not parts.hostname:
        raise NotSupported(f"bursts speak plain HTTP, and the service is at {url}")
    return _Door(parts.hostname, parts.port or 80, parts.path.rstrip("/"))
