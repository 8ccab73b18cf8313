"""The gate's keeper while fault points are swept: it records one run at a time, and strikes once in it.

A keeper lives in the relay's thread and the sweep in the test's; between them is a `Turn`, which one side
makes whole before the other sees it, and whose lists only the relay's thread writes.
"""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from overbooked.errors import DeadlineExceeded, HarnessError, NotSupported
from overbooked.fault_points.points import KILLS, Crossing, FaultPoint, error_code
from overbooked.wire.gate.boundary import Boundary, FaultKind, Held

PIECES = 4
PAUSE_S = 0.01
_QUIET_S = 5.0


@dataclass(frozen=True, slots=True)
class Blow:
    """What is to happen, and where; `kill` ends the service, and is needed for kills only."""

    point: FaultPoint
    kind: FaultKind
    kill: Callable[[], None] | None = None


@dataclass(frozen=True, slots=True)
class _Flight:
    """A boundary under way: its turn, its place there, and what its answer suffers."""

    held: Held  # kept, so that no other takes its identity meanwhile
    turn: Turn
    index: int
    kind: FaultKind | None


@dataclass(slots=True)
class Turn:
    """One run under the keeper's eyes, at a replica; `crowded` while another replica is starting.

    `struck` is the boundary that was struck, `at` its ordinal in this run. `refused` says why the gate
    would not do it there.
    """

    blow: Blow | None
    replica: int | None = None
    crowded: Callable[[], bool] = lambda: False
    step: str = ""
    crossings: list[Crossing] = field(default_factory=list)
    struck: Boundary | None = None
    at: int = 0
    refused: str = ""
    failed: BaseException | None = None
    in_flight: int = 0
    _counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def mark(self, step: str) -> None:
        """From now on boundaries belong to this step."""
        self.step = step

    @property
    def links(self) -> frozenset[str]:
        """The links that were crossed."""
        return frozenset(crossing.boundary.link for crossing in self.crossings)

    def due(self, boundary: Boundary) -> bool:
        """Count a boundary; whether it is the one to be struck."""
        self._counts[boundary.link, boundary.shape] += 1
        blow = self.blow
        if blow is None or self.struck is not None or self.refused:
            return False
        point = blow.point
        return (boundary.link, boundary.shape, self._counts[boundary.link, boundary.shape]) == (
            point.link,
            point.shape,
            point.nth,
        )


class Keeper:
    """Lets everything pass but the boundary that the turn is to strike; a `Gatekeeper`.

    Args:
        loop: of the sweep, which is told of news.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._turn: Turn | None = None
        self._under_way: dict[int, _Flight] = {}
        # Which replica uses a connection, by link and number: learnt while it is the only one at work.
        self._owners: dict[tuple[str, int], int] = {}
        self._lock = threading.Lock()
        self.broke = ""

    # -- the sweep's side ----------------------------------------------------------------------

    def begin(
        self,
        blow: Blow | None = None,
        *,
        replica: int | None = None,
        crowded: Callable[[], bool] = lambda: False,
    ) -> Turn:
        """From now on boundaries belong to a new turn.

        Args:
            replica: at which it is.
            crowded: whether another replica is starting: what crosses on a connection that is not known
                to be this one's is not taken for its doing then.
        """
        turn = Turn(blow, replica, crowded)
        with self._lock:
            self._turn = turn
        return turn

    def end(self) -> None:
        """From now on boundaries belong to nobody.

        Raises:
            HarnessError: the gate lost track of a connection since the last time.
        """
        with self._lock:
            self._turn = None
        if self.broke:
            why, self.broke = self.broke, ""
            raise HarnessError(f"the gate could not follow a connection, so nothing can be concluded: {why}")

    async def quiet(self, turn: Turn, within_s: float = _QUIET_S) -> None:
        """Wait until everything of the turn that is under way has been answered.

        Raises:
            DeadlineExceeded: something was not answered in time.
        """
        try:
            async with asyncio.timeout(within_s):
                while turn.in_flight:
                    turn.news.clear()
                    if turn.in_flight:
                        await turn.news.wait()
        except TimeoutError as error:
            raise DeadlineExceeded(
                f"{turn.in_flight} boundaries were still unanswered {within_s:g} s after their journey"
            ) from error

    # -- the gate's side -----------------------------------------------------------------------

    def asks(self, held: Held) -> None:
        with self._lock:
            turn = self._turn
        if turn is None:
            held.go()
            return
        boundary = held.boundary
        if self._is_foreign(turn, boundary):
            held.go()
            return
        due = turn.due(boundary)
        turn.crossings.append(Crossing(boundary, turn.step))
        index = len(turn.crossings) - 1
        if not due or turn.blow is None:
            self._pass(held, turn, index, None)
            return
        turn.in_flight += 1  # until it is done: a kill takes a while, and its victim is heard of before
        try:
            self._strike(held, turn, index, turn.blow)
        except NotSupported as error:
            turn.refused = str(error)
            self._pass(held, turn, index, None)
        except Exception as error:
            turn.failed = error
            self._pass(held, turn, index, None)
        turn.in_flight -= 1
        self._tell(turn)

    def _is_foreign(self, turn: Turn, boundary: Boundary) -> bool:
        if turn.replica is None:
            return False
        key = (boundary.link, boundary.connection)
        if not turn.crowded():
            self._owners[key] = turn.replica
            return False
        owned = {link for (link, _), owner in self._owners.items() if owner == turn.replica}
        return self._owners.get(key) != turn.replica and boundary.link in owned

    def _strike(self, held: Held, turn: Turn, index: int, blow: Blow) -> None:
        boundary, kind = held.boundary, blow.kind
        match kind:
            case FaultKind.ERROR:
                held.fail(kind, code=error_code(boundary), message="overbooked: injected at a fault point")
            case FaultKind.RESET_BEFORE | FaultKind.STALL:
                held.fail(kind)
            case FaultKind.KILL_BEFORE:
                self._kill(blow)
                held.fail(FaultKind.RESET_BEFORE)
            case FaultKind.ANSWER_LOST | FaultKind.TRICKLE | FaultKind.KILL_AFTER:
                # It has bitten only when the answer is there to suffer.
                self._pass(held, turn, index, kind)
                return
        turn.struck, turn.at = boundary, index + 1

    def answers(self, held: Held) -> None:
        flight = self._under_way.pop(id(held), None)
        if flight is None:
            held.deliver()
            return
        turn, index, kind = flight.turn, flight.index, flight.kind
        crossing = turn.crossings[index]
        turn.crossings[index] = Crossing(crossing.boundary, crossing.step, held.reply)
        try:
            self._suffer(held, turn, kind)
        except Exception as error:
            turn.failed = error
            held.deliver()
        else:
            if kind is not None:
                turn.struck, turn.at = crossing.boundary, index + 1
        turn.in_flight -= 1
        self._tell(turn)

    def _suffer(self, held: Held, turn: Turn, kind: FaultKind | None) -> None:
        match kind:
            case FaultKind.ANSWER_LOST:
                held.lose()
            case FaultKind.TRICKLE:
                held.deliver(pieces=PIECES, pause_s=PAUSE_S)
            case FaultKind.KILL_AFTER:
                assert turn.blow is not None
                self._kill(turn.blow)
                held.lose()
            case _:
                held.deliver()

    def closed(self, link: str, connection: int, held: Held | None) -> None:
        self._owners.pop((link, connection), None)
        flight = None if held is None else self._under_way.pop(id(held), None)
        if flight is not None:
            flight.turn.in_flight -= 1
            self._tell(flight.turn)

    def broken(self, link: str, connection: int, why: str) -> None:
        self.broke = self.broke or f"{link}, connection {connection}: {why}"

    # -- both ----------------------------------------------------------------------------------

    def _pass(self, held: Held, turn: Turn, index: int, kind: FaultKind | None) -> None:
        self._under_way[id(held)] = _Flight(held, turn, index, kind)
        turn.in_flight += 1
        held.go()

    def _kill(self, blow: Blow) -> None:
        if blow.kind not in KILLS or blow.kill is None:
            raise HarnessError(f"{blow.kind.value} needs a process to kill")
        blow.kill()

    def _tell(self, turn: Turn) -> None:
        with suppress(RuntimeError):  # the sweep is over and its loop closed: nobody waits for news
            self._loop.call_soon_threadsafe(turn.news.set)
