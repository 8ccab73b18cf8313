"""One held boundary and its states: asked, sent or failed, answered, delivered or lost.

The session that created the boundary carries out the keeper's decisions. This module checks their order, so
that a keeper's mistake raises in the keeper and does not affect the traffic. `ConnectionHolds` connects a
session with the keeper of its link.
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


class HoldState(StrEnum):
    """The state of a held boundary."""

    ASKED = "asked"  # waits for `go` or `fail`
    STALLED = "stalled"  # neither sent nor answered until released
    SENT = "sent"  # sent to the server
    FAILED = "failed"  # a fault was injected instead
    ANSWERED = "answered"  # its answer waits for `deliver` or `lose`
    DONE = "done"
    RELEASED = "released"  # its keeper was removed: it is forwarded and its methods have no effect


class Holder(Protocol):
    """The session's side of a held boundary. `HeldBoundary` checks the order of calls."""

    def send(self, held: HeldBoundary) -> None:
        """Send it to the server."""

    def refuse(self, held: HeldBoundary, code: str, message: str) -> None:
        """Make it fail with an error like the server's own.

        Raises:
            NotSupported: this boundary cannot fail with an error; the message says why. It is still held.
        """

    def deliver(self, held: HeldBoundary, pieces: int, pause_s: float) -> None:
        """Send the answer to the client."""

    def lose(self, held: HeldBoundary) -> None:
        """Reset both sides instead of answering.

        Raises:
            NotSupported: the boundary's effect is not complete yet; the message says why. The answer is
                still held.
        """

    def reset(self, held: HeldBoundary) -> None:
        """Reset both sides; the server does not receive the boundary."""


class HeldBoundary:
    """Satisfies `overbooked.wire.gate.boundary.Held`; created by a session, which calls `answered`."""

    __slots__ = ("_boundary", "_holder", "_reply", "cancelled", "turn")

    def __init__(self, boundary: Boundary, holder: Holder) -> None:
        self._boundary = boundary
        self._holder = holder
        self._reply: Reply | None = None
        self.turn = HoldState.ASKED
        self.cancelled = False

    @property
    def boundary(self) -> Boundary:
        return self._boundary

    @property
    def reply(self) -> Reply | None:
        return self._reply

    def go(self) -> None:
        """Send it to the server; its answer will be held."""
        if self._take("go", HoldState.ASKED):
            self.turn = HoldState.SENT
            self._holder.send(self)

    def fail(self, kind: FaultKind, *, code: str = "", message: str = "") -> None:
        """Inject a fault instead of sending it.

        Raises:
            NotSupported: this kind is not possible at this boundary; the message says why.
        """
        if not self._take(f"fail({kind.value})", HoldState.ASKED):
            return
        if kind not in _FAILS_BEFORE:
            raise NotSupported(
                f"{kind.value!r} cannot be injected before a message is sent: "
                "hold it, let it go, deliver or lose its answer, or kill while it is held"
            )
        if kind is FaultKind.ERROR:
            self._holder.refuse(self, code, message)
            self.turn = HoldState.FAILED
        elif kind is FaultKind.RESET_BEFORE:
            self.turn = HoldState.DONE
            self._holder.reset(self)
        else:
            self.turn = HoldState.STALLED

    def deliver(self, *, pieces: int = 1, pause_s: float = 0.0) -> None:
        """Send the answer to the client, in `pieces` with a pause of `pause_s` seconds between them."""
        if pieces < 1 or pause_s < 0:
            raise ValueError(
                f"an answer needs at least one piece and a pause of at least 0 s: got {pieces}, {pause_s}"
            )
        if self._take("deliver", HoldState.ANSWERED):
            self.turn = HoldState.DONE
            self._holder.deliver(self, pieces, pause_s)

    def lose(self) -> None:
        """Reset both sides instead of answering (ANSWER_LOST)."""
        if self._take("lose", HoldState.ANSWERED):
            self._holder.lose(self)
            self.turn = HoldState.DONE

    def answered(self, reply: Reply) -> None:
        """Store the complete answer; the session calls this before it calls the keeper."""
        self._reply = reply
        if self.turn is HoldState.SENT or self.cancelled:
            self.turn = HoldState.ANSWERED
        elif self.turn is HoldState.FAILED:
            self.turn = HoldState.DONE

    def ended(self, reply: Reply) -> None:
        """Store the error with which the server ended the session, in any state."""
        self._reply = reply

    def release(self) -> HoldState:
        """Release it after its keeper was removed; return its last state, which the session needs."""
        stood, self.turn = self.turn, HoldState.RELEASED
        return stood

    def _take(self, what: str, wanted: HoldState) -> bool:
        if self.turn is HoldState.RELEASED or (self.cancelled and wanted is HoldState.ASKED):
            return False  # released or cancelled in the meantime; not the keeper's mistake
        if self.turn is not wanted:
            raise RuntimeError(
                f"{what} of boundary {self._boundary.ordinal} on {self._boundary.link} is not possible now: "
                f"it is {self.turn.value}, not {wanted.value}"
            )
        return True


class ConnectionHolds:
    """The held boundary of one connection, and the calls to the current keeper of its link.

    It reports requests, replies, errors and the end of the connection to the keeper. A connection that cannot
    be parsed is passed through while there is no keeper; when a keeper is installed, it is notified.

    Args:
        outlet: the connection.
        holder: its session, which carries out the keeper's decisions.
    """

    __slots__ = ("_holder", "_outlet", "_seen", "held", "lost")

    def __init__(self, outlet: Outlet, holder: Holder) -> None:
        self._outlet = outlet
        self._holder = holder
        self._seen = False  # the current keeper has had a boundary of this connection
        self.lost = ""  # why the connection is no longer parsed
        self.held: HeldBoundary | None = None  # until the session has finished with it

    @property
    def turn(self) -> HoldState | None:
        """The state of the held boundary."""
        return self.held.turn if self.held is not None else None

    def ask(self, boundary: Boundary) -> None:
        """Hold a boundary and call the keeper, which decides immediately or later."""
        self._seen = True
        self.held = HeldBoundary(boundary, self._holder)
        self._keeper.on_request(self.held)

    def answered(self, reply: Reply) -> bool:
        """Hold the complete answer to the held boundary; return whether the keeper decides about it."""
        held = self.held
        assert held is not None, "what is answered here is what is held"
        held.answered(reply)
        if held.turn is not HoldState.ANSWERED:
            return False
        self._keeper.on_reply(held)
        return True

    def dismissed(self) -> HoldState | None:
        """Release the held boundary after the keeper was removed; return its state, None if there is none."""
        self._seen = False  # the next keeper does not know this connection
        held, self.held = self.held, None
        return held.release() if held is not None else None

    def over(self) -> None:
        """Report the end of the connection to a keeper that knows it. Later decisions have no effect."""
        keeper = self._outlet.keeper
        held, self.held = self.held, None
        if keeper is not None and self._seen:
            keeper.on_close(self._outlet.link, self._outlet.connection, held)
        if held is not None:
            held.release()

    def lose(self, why: str, *, harmless: bool) -> None:
        """Stop parsing the connection: pass it through if possible, else reset it.

        Args:
            why: the reason, in one line.
            harmless: every byte so far was forwarded unchanged, so the rest can be passed through.
        """
        if harmless and self._outlet.keeper is None:
            log.warning("%s is passed through: %s", self._outlet.link, why)
            self.lost = why
        else:
            self._outlet.break_off(why)

    def is_lost(self) -> bool:
        """Whether it is passed through; if there is a keeper, notify it and reset the connection."""
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
    """Write `data` to the client in `pieces` with pauses of `pause_s` seconds between them; then call `done`.

    Returns:
        A function that writes the rest immediately and calls `done`; None if everything has been written.
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
