"""The gatekeeper of a sweep: it records one run at a time and injects at most one fault into it.

It runs in the relay's thread, and the sweep in the scenario's. They share a `RecordedRun`: the sweep fully
constructs it before the relay sees it, and only the relay's thread writes its lists.
"""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from overbooked.errors import DeadlineExceeded, HarnessError, NotSupported
from overbooked.fault_points.points import (
    AFTERWARDS,
    KILLS,
    SILENCES,
    Crossing,
    FaultPoint,
    error_code,
    is_rollback,
    repeats,
)
from overbooked.wire.gate.boundary import Boundary, FaultKind, Held

PIECES = 4
PAUSE_S = 0.01
_QUIET_S = 5.0


@dataclass(frozen=True, slots=True)
class Injection:
    """A fault and its point; `kill` kills the service and is required only for the kill kinds."""

    point: FaultPoint
    kind: FaultKind
    kill: Callable[[], None] | None = None


@dataclass(frozen=True, slots=True)
class _Flight:
    """A boundary in flight: its run, its index in the run, and the fault to inject into its answer."""

    held: Held  # kept, so that its id() stays unique
    turn: RecordedRun
    index: int
    kind: FaultKind | None


@dataclass(slots=True)
class RecordedRun:
    """One recorded run at a replica; `crowded` says whether another replica is starting.

    `struck` is the boundary at which the fault was injected, and `at` is its ordinal in this run. `refused`
    is the reason if the gate does not support the fault at this boundary.
    """

    blow: Injection | None
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
        """Assign the following boundaries to this step."""
        self.step = step

    @property
    def links(self) -> frozenset[str]:
        """The links that were crossed."""
        return frozenset(crossing.boundary.link for crossing in self.crossings)

    def due(self, boundary: Boundary) -> bool:
        """Count a boundary; return whether the fault is injected there."""
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

    def aftermath(self, boundary: Boundary) -> FaultKind | None:
        """Return the fault of a boundary after the first of an outage; None where it passes."""
        if self.blow is None or self.struck is None or boundary.link != self.struck.link:
            return None
        if self.blow.kind is FaultKind.CALL_LOST and not repeats(boundary, self.struck):
            return None
        kind = AFTERWARDS.get(self.blow.kind)
        return None if kind is FaultKind.ERROR and is_rollback(boundary) else kind


class SweepGatekeeper:
    """A `Gatekeeper` that injects a fault at one boundary and lets every other boundary pass.

    Args:
        loop: the sweep's event loop, which is notified of changes.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._turn: RecordedRun | None = None
        self._under_way: dict[int, _Flight] = {}
        # The replica that uses each connection, by link and number; recorded while no other replica starts.
        self._owners: dict[tuple[str, int], int] = {}
        self._lock = threading.Lock()
        # The silenced links, and the boundaries that wait there: the first caller that gives one up silences
        # its link for all.
        self._silent: frozenset[str] = frozenset()
        self._waiting: dict[int, Held] = {}
        self.broke = ""

    # -- called by the sweep -------------------------------------------------------------------

    def begin(
        self,
        blow: Injection | None = None,
        *,
        replica: int | None = None,
        crowded: Callable[[], bool] = lambda: False,
    ) -> RecordedRun:
        """Assign the following boundaries to a new run.

        Args:
            replica: the replica that the run uses.
            crowded: returns whether another replica is starting. While one is, boundaries on connections
                not known to belong to this replica are ignored.
        """
        turn = RecordedRun(blow, replica, crowded)
        with self._lock:
            self._turn = turn
        return turn

    def end(self) -> None:
        """Stop recording.

        Raises:
            HarnessError: the gate lost track of a connection since the last call.
        """
        with self._lock:
            self._turn = None
        if self.broke:
            why, self.broke = self.broke, ""
            raise HarnessError(
                f"the gate lost track of a connection, so that nothing can be concluded: {why}"
            )

    def silence(self, link: str) -> None:
        """Leave every message of a link unanswered, of whatever run, until `heal`."""
        with self._lock:
            self._silent |= {link}

    def is_silent(self, link: str) -> bool:
        """Return whether the link is silent for all."""
        return link in self._silent

    def heal(self) -> None:
        """End every silence; what was not answered stays unanswered."""
        with self._lock:
            self._silent = frozenset()
            self._waiting.clear()

    async def quiet(self, turn: RecordedRun, within_s: float = _QUIET_S) -> None:
        """Wait until every boundary of the run has been answered.

        Raises:
            DeadlineExceeded: a boundary was not answered within `within_s` seconds.
        """
        try:
            async with asyncio.timeout(within_s):
                while turn.in_flight:
                    turn.news.clear()
                    if turn.in_flight:
                        await turn.news.wait()
        except TimeoutError as error:
            raise DeadlineExceeded(
                f"{turn.in_flight} boundaries were unanswered {within_s:g} s after the end of their run"
            ) from error

    # -- called by the gate --------------------------------------------------------------------

    def on_request(self, held: Held) -> None:
        with self._lock:
            turn = self._turn
        boundary = held.boundary
        silent = boundary.link in self._silent
        if turn is None or self._is_foreign(turn, boundary):
            self._spoil(held, FaultKind.STALL) if silent else held.go()
            return
        due = turn.due(boundary)
        turn.crossings.append(Crossing(boundary, turn.step))
        index = len(turn.crossings) - 1
        if silent:
            self._overtake(held, turn, index)
            return
        if not due or turn.blow is None:
            if (kind := turn.aftermath(boundary)) is None:
                self._pass(held, turn, index, None)
            else:
                self._spoil(held, kind)
            return
        turn.in_flight += (
            1  # until the fault is injected: the connection of a killed process may close before kill returns
        )
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

    def _is_foreign(self, turn: RecordedRun, boundary: Boundary) -> bool:
        if turn.replica is None:
            return False
        key = (boundary.link, boundary.connection)
        if not turn.crowded():
            self._owners[key] = turn.replica
            return False
        owned = {link for (link, _), owner in self._owners.items() if owner == turn.replica}
        return self._owners.get(key) != turn.replica and boundary.link in owned

    def _overtake(self, held: Held, turn: RecordedRun, index: int) -> None:
        """Stall a message of a run on a silent link; it is the run's own fault unless that was met before."""
        blow = turn.blow
        self._spoil(held, FaultKind.STALL)
        if blow is not None and blow.kind in SILENCES and turn.struck is None and not turn.refused:
            turn.struck, turn.at = held.boundary, index + 1
            self._tell(turn)

    @staticmethod
    def _spoil(held: Held, kind: FaultKind) -> None:
        """Fail a message after the first of an outage, where the gate can."""
        try:
            held.fail(kind, code=error_code(held.boundary), message="overbooked: an outage")
        except NotSupported:
            held.go()

    def _strike(self, held: Held, turn: RecordedRun, index: int, blow: Injection) -> None:
        boundary, kind = held.boundary, blow.kind
        match kind:
            case FaultKind.ERROR | FaultKind.REFUSING:
                held.fail(
                    FaultKind.ERROR,
                    code=error_code(boundary),
                    message="overbooked: injected at a fault point",
                )
            case FaultKind.RESET_BEFORE | FaultKind.DOWN:
                held.fail(FaultKind.RESET_BEFORE)
            case FaultKind.STALL | FaultKind.SILENT:
                held.fail(FaultKind.STALL)
            case FaultKind.KILL_BEFORE:
                self._kill(blow)
                held.fail(FaultKind.RESET_BEFORE)
            case _:
                # It takes effect only when the answer arrives.
                self._pass(held, turn, index, kind)
                return
        if kind is FaultKind.SILENT:
            self._waiting[id(held)] = held
        turn.struck, turn.at = boundary, index + 1

    def on_reply(self, held: Held) -> None:
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

    def _suffer(self, held: Held, turn: RecordedRun, kind: FaultKind | None) -> None:
        match kind:
            case FaultKind.ANSWER_LOST | FaultKind.CALL_LOST | FaultKind.LOST_THEN_DOWN:
                held.lose()
            case FaultKind.LOST_THEN_SILENT:
                self._waiting[id(held)] = held  # the answer is never delivered
            case FaultKind.TRICKLE:
                held.deliver(pieces=PIECES, pause_s=PAUSE_S)
            case FaultKind.KILL_AFTER:
                assert turn.blow is not None
                self._kill(turn.blow)
                held.lose()
            case _:
                held.deliver()

    def on_close(self, link: str, connection: int, held: Held | None) -> None:
        self._owners.pop((link, connection), None)
        if held is not None and self._waiting.pop(id(held), None) is not None:
            self.silence(link)
        flight = None if held is None else self._under_way.pop(id(held), None)
        if flight is not None:
            flight.turn.in_flight -= 1
            self._tell(flight.turn)

    def on_error(self, link: str, connection: int, why: str) -> None:
        self.broke = self.broke or f"{link}, connection {connection}: {why}"

    # -- both ----------------------------------------------------------------------------------

    def _pass(self, held: Held, turn: RecordedRun, index: int, kind: FaultKind | None) -> None:
        self._under_way[id(held)] = _Flight(held, turn, index, kind)
        turn.in_flight += 1
        held.go()

    def _kill(self, blow: Injection) -> None:
        if blow.kind not in KILLS or blow.kill is None:
            raise HarnessError(f"{blow.kind.value} needs a process to kill")
        blow.kill()

    def _tell(self, turn: RecordedRun) -> None:
        with suppress(RuntimeError):  # the sweep has ended and its loop is closed
            self._loop.call_soon_threadsafe(turn.news.set)
