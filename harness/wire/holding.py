"""One held boundary and its turns: asked, sent or failed, answered, delivered or lost.

The session that made it does the work; this keeps the order, so that a keeper's mistake is told to
the keeper and never reaches the traffic.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Protocol

from harness.errors import NotSupported
from harness.wire.boundary import Boundary, FaultKind, Reply
from harness.wire.session import Outlet, Timer

_FAILS_BEFORE = frozenset({FaultKind.ERROR, FaultKind.RESET_BEFORE, FaultKind.STALL})


class Turn(StrEnum):
    """Where a held boundary stands."""

    ASKED = "asked"  # waits for go or fail
    STALLED = "stalled"  # neither sent nor answered until released
    SENT = "sent"  # the server has it
    FAILED = "failed"  # something else was done to it
    ANSWERED = "answered"  # its answer waits for deliver or lose
    DONE = "done"
    RELEASED = "released"  # its keeper was dismissed: passed on, its methods do nothing


class Holder(Protocol):
    """The session's side of a held boundary. Turns are checked before these are called."""

    def send(self, held: HeldBoundary) -> None:
        """Send it to the server."""

    def refuse(self, held: HeldBoundary, code: str, message: str) -> None:
        """Have it fail with the server's own kind of error.

        Raises:
            NotSupported: it cannot fail so; says why. The boundary still waits.
        """

    def deliver(self, held: HeldBoundary, pieces: int, pause_s: float) -> None:
        """Send the answer on to the client."""

    def lose(self, held: HeldBoundary) -> None:
        """Reset instead of answering.

        Raises:
            NotSupported: its effect is not complete yet; says why. The answer still waits.
        """

    def reset(self, held: HeldBoundary) -> None:
        """Reset; the server never sees it."""


class HeldBoundary:
    """Satisfies `harness.wire.boundary.Held`; made by a session, which moves it on by `answered`."""

    __slots__ = ("_boundary", "_holder", "_reply", "cancelled", "turn")

    def __init__(self, boundary: Boundary, holder: Holder) -> None:
        self._boundary = boundary
        self._holder = holder
        self._reply: Reply | None = None
        self.turn = Turn.ASKED
        self.cancelled = False

    @property
    def boundary(self) -> Boundary:
        return self._boundary

    @property
    def reply(self) -> Reply | None:
        return self._reply

    def go(self) -> None:
        """Send it to the server; its answer is held again."""
        if self._take("go", Turn.ASKED):
            self.turn = Turn.SENT
            self._holder.send(self)

    def fail(self, kind: FaultKind, *, code: str = "", message: str = "") -> None:
        """Do this to it instead.

        Raises:
            NotSupported: this kind makes no sense at this boundary; says why.
        """
        if not self._take(f"fail({kind.value})", Turn.ASKED):
            return
        if kind not in _FAILS_BEFORE:
            raise NotSupported(
                f"{kind.value!r} is not done to a message before it is sent: "
                "hold it, let it go, deliver or lose its answer, or kill while it is held"
            )
        if kind is FaultKind.ERROR:
            self._holder.refuse(self, code, message)
            self.turn = Turn.FAILED
        elif kind is FaultKind.RESET_BEFORE:
            self.turn = Turn.DONE
            self._holder.reset(self)
        else:
            self.turn = Turn.STALLED

    def deliver(self, *, pieces: int = 1, pause_s: float = 0.0) -> None:
        """Send the answer to the client; more than one piece trickles."""
        if pieces < 1 or pause_s < 0:
            raise ValueError(
                f"an answer comes in at least one piece and no time below 0: {pieces}, {pause_s}"
            )
        if self._take("deliver", Turn.ANSWERED):
            self.turn = Turn.DONE
            self._holder.deliver(self, pieces, pause_s)

    def lose(self) -> None:
        """Reset both sides instead of answering (ANSWER_LOST)."""
        if self._take("lose", Turn.ANSWERED):
            self._holder.lose(self)
            self.turn = Turn.DONE

    def answered(self, reply: Reply) -> None:
        """Its answer is whole; called by the session, before it tells the keeper."""
        self._reply = reply
        if self.turn is Turn.SENT or self.cancelled:
            self.turn = Turn.ANSWERED
        elif self.turn is Turn.FAILED:
            self.turn = Turn.DONE

    def ended(self, reply: Reply) -> None:
        """The server ended the session and said why, whatever its turn: `reply` holds the error."""
        self._reply = reply

    def release(self) -> Turn:
        """Its keeper was dismissed; returns where it stood, for the session to pass it on."""
        stood, self.turn = self.turn, Turn.RELEASED
        return stood

    def _take(self, what: str, wanted: Turn) -> bool:
        if self.turn is Turn.RELEASED or (self.cancelled and wanted is Turn.ASKED):
            return False  # decided elsewhere meanwhile; no mistake of the keeper's
        if self.turn is not wanted:
            raise RuntimeError(
                f"{what} of boundary {self._boundary.ordinal} on {self._boundary.link} is out of turn: "
                f"it is {self.turn.value}, not {wanted.value}"
            )
        return True


def trickle(
    outlet: Outlet, data: bytes, pieces: int, pause_s: float, done: Callable[[], None]
) -> Callable[[], None]:
    """Write `data` to the client in `pieces` with a pause of `pause_s` seconds between; then `done`.

    Returns:
        A function that ends the wait: it writes the rest at once and calls `done`; without effect
        when all was written.
    """
    size = max(1, -(-len(data) // pieces))
    at = 0
    timer: Timer | None = None
    over = False

    def write() -> None:
        nonlocal at, timer, over
        outlet.to_client(data[at : at + size])
        at += size
        if at < len(data):
            timer = outlet.later(pause_s, write)
        else:
            over = True
            done()

    def hurry() -> None:
        nonlocal over
        if over:
            return
        over = True
        if timer is not None:
            timer.cancel()
        outlet.to_client(data[at:])
        done()

    write()
    return hurry
