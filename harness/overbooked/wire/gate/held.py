"""One held boundary and its turns: asked, sent or failed, answered, delivered or lost.

The session that made it does the work; this keeps the order, so that a keeper's mistake is told to
the keeper and never reaches the traffic. `Dealings` is what every session has to do with keepers.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from enum import StrEnum
from typing import Protocol

from overbooked.errors import NotSupported
from overbooked.wire.gate.boundary import Boundary, FaultKind, Gatekeeper, Reply
from overbooked.wire.gate.session import Outlet, Timer

log = logging.getLogger(__name__)

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
    """Satisfies `overbooked.wire.gate.boundary.Held`; made by a session, which moves it on by `answered`."""

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


class Dealings:
    """What one connection has to do with the keepers of its link, one after another.

    What it asks and is answered, that it has gone, and that it cannot be followed: with no keeper that
    harms nobody, bytes go on as they come; the next keeper is told.

    Args:
        outlet: the connection.
        holder: its session, which does what a keeper decides.
    """

    __slots__ = ("_holder", "_outlet", "_seen", "held", "lost")

    def __init__(self, outlet: Outlet, holder: Holder) -> None:
        self._outlet = outlet
        self._holder = holder
        self._seen = False  # the keeper in force has been asked about this connection
        self.lost = ""  # why it is not followed any more
        self.held: HeldBoundary | None = None  # until the session has done with it

    @property
    def turn(self) -> Turn | None:
        """Where the boundary stands that is held."""
        return self.held.turn if self.held is not None else None

    def ask(self, boundary: Boundary) -> None:
        """Hold a boundary; what comes of it is decided by then, or later."""
        self._seen = True
        self.held = HeldBoundary(boundary, self._holder)
        self._keeper.asks(self.held)

    def answered(self, reply: Reply) -> bool:
        """The answer to what is held is whole; whether the keeper decides about it."""
        held = self.held
        assert held is not None, "what is answered here is what is held"
        held.answered(reply)
        if held.turn is not Turn.ANSWERED:
            return False
        self._keeper.answers(held)
        return True

    def dismissed(self) -> Turn | None:
        """The keeper has gone; where the boundary stood that was held, for the session to pass it on."""
        self._seen = False  # by the one that comes
        held, self.held = self.held, None
        return held.release() if held is not None else None

    def over(self) -> None:
        """The connection has gone: tell a keeper that knows it. What is decided from here on is void."""
        keeper = self._outlet.keeper
        held, self.held = self.held, None
        if keeper is not None and self._seen:
            keeper.closed(self._outlet.link, self._outlet.connection, held)
        if held is not None:
            held.release()

    def lose(self, why: str, *, harmless: bool) -> None:
        """It cannot be followed any more.

        Args:
            why: one line.
            harmless: every byte has gone on as it came, so that it may go on so, unseen.
        """
        if harmless and self._outlet.keeper is None:
            log.warning("%s passes unseen: %s", self._outlet.link, why)
            self.lost = why
        else:
            self._outlet.break_off(why)

    def is_lost(self) -> bool:
        """Whether it passes unseen; a keeper that has come meanwhile is told, and it is reset."""
        if self.lost and self._outlet.keeper is not None:
            self._outlet.break_off(self.lost)
        return bool(self.lost)

    @property
    def _keeper(self) -> Gatekeeper:
        keeper = self._outlet.keeper
        assert keeper is not None, "without a keeper nothing is held"
        return keeper


def trickle(
    outlet: Outlet, data: bytes, pieces: int, pause_s: float, done: Callable[[], None]
) -> Callable[[], None] | None:
    """Write `data` to the client in `pieces` with a pause of `pause_s` seconds between; then `done`.

    Returns:
        A function that ends the wait: it writes the rest at once and calls `done`; None where all was
        written by now.
    """
    if pieces == 1:
        outlet.to_client(data)
        done()
        return None
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
    return None if over else hurry
