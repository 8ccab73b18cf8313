"""The messages of one connection, each asked once the one before was answered and delivered.

What Redis and HTTP have in common: a queue, the one message that waits for its keeper, what the
server said behind its answer, and which ends of stream have come and been passed on.
"""

from __future__ import annotations

from collections import deque
from enum import Enum
from typing import Generic, Protocol, TypeVar

from overbooked.wire.gate.held import Dealings, HeldBoundary
from overbooked.wire.gate.session import Outlet

_M = TypeVar("_M")
_M_contra = TypeVar("_M_contra", contravariant=True)
_ScannerT = TypeVar("_ScannerT", bound="Scanner")
_AnyScannerT = TypeVar("_AnyScannerT", bound="Scanner")


class Scanner(Protocol):
    """Cuts one direction of a connection into pieces; `pending` is what has come of the next one."""

    pending: bytearray


class Direction(Generic[_ScannerT]):
    """A scanner, and how far the piece it has not whole yet has gone on."""

    __slots__ = ("_ahead", "scanner")

    def __init__(self, scanner: _ScannerT) -> None:
        self.scanner = scanner
        self._ahead = 0

    def passed(self) -> None:
        """Everything that was read has gone on."""
        self._ahead = len(self.scanner.pending)

    def ahead(self) -> int:
        """How many bytes of the piece that is now whole went on before; each call takes them."""
        taken, self._ahead = self._ahead, 0
        return taken

    def left(self) -> bytes:
        """What was read of the piece that is not whole, and has not gone on."""
        return bytes(self.scanner.pending[self._ahead :])

    def catch_up(self) -> bytes:
        """What is left; it goes on now."""
        left = self.left()
        self.passed()
        return left


class Way(Enum):
    """What is to become of the message at the head of the queue."""

    ON = "it goes on unasked"
    ASK = "the keeper is asked"
    WAIT = "what went before is answered first"


class Follower(Protocol[_M_contra]):
    """The session's side of the queue."""

    @property
    def raw(self) -> bool:
        """What follows are no messages any more."""

    def way(self, message: _M_contra) -> Way:
        """What is to become of it."""

    def send_on(self, message: _M_contra) -> None:
        """Send it; nobody is asked."""

    def ask(self, message: _M_contra) -> None:
        """Ask the keeper; `waiting` is this message by then."""

    def turned(self) -> None:
        """The queue has moved on as far as it can."""


class OneByOne(Generic[_M]):
    """The queue of one connection, and the message in front of it that waits.

    Args:
        outlet: the connection.
        dealings: what it has to do with its keeper.
        follower: the session.
    """

    __slots__ = (
        "_behind",
        "_dealings",
        "_end_passed",
        "_follower",
        "_outlet",
        "_turning",
        "client_over",
        "gone",
        "queue",
        "server_over",
        "waiting",
    )

    def __init__(self, outlet: Outlet, dealings: Dealings, follower: Follower[_M]) -> None:
        self._outlet = outlet
        self._dealings = dealings
        self._follower = follower
        self.queue: deque[_M] = deque()  # wait for their turn
        self.waiting: _M | None = None  # the held one, until its answer was delivered
        self._behind: list[bytes] = []  # what the server said after an answer that waits
        self._turning = False
        self.client_over = self.server_over = self._end_passed = False
        self.gone = False  # the connection, with both its ends

    @property
    def empty(self) -> bool:
        """Nothing waits here."""
        return self.waiting is None and not self.queue

    def of(self, held: HeldBoundary) -> _M:
        """The message that a keeper has decided about."""
        waiting = self.waiting
        assert waiting is not None, "a decided boundary is the one that waits"
        assert self._dealings.held is held, "a decided boundary is the one that waits"
        return waiting

    def turn(self) -> None:
        """Ask for the next message in the queue, or pass on what need not be asked for."""
        if self._turning or self.gone:
            return
        if self._dealings.lost:
            self.pass_end()
            return
        follower = self._follower
        self._turning = True
        try:
            while self.queue and self.waiting is None and not (follower.raw or self.gone):
                message = self.queue[0]
                way = follower.way(message)
                if way is Way.WAIT:
                    break
                self.queue.popleft()
                if way is Way.ON:
                    follower.send_on(message)
                else:
                    self.waiting = message
                    follower.ask(message)
        finally:
            self._turning = False
        follower.turned()

    def over(self) -> None:
        """The connection has gone."""
        self.gone = True
        self._dealings.over()

    def put_behind(self, data: bytes) -> None:
        """The server said this after the answer that waits."""
        self._behind.append(data)

    def finish(self) -> None:
        """The message that waited is over with: what the server said behind its answer goes on."""
        self.waiting = self._dealings.held = None
        for data in self._behind:
            self._outlet.to_client(data)
        self._behind.clear()

    def catch_up(self, up: Direction[_ScannerT], down: Direction[_AnyScannerT]) -> None:
        """Bytes pass as they come again: so does what was read of pieces that are not whole."""
        if said := up.catch_up():
            self._outlet.to_server(said)
        if answered := down.catch_up():
            self._outlet.to_client(answered)

    def pass_end(self, *, sent: bool = True) -> None:
        """The client's end comes after all it said, also while the server is busy with it.

        Args:
            sent: the message that waits has been sent.
        """
        if self.client_over and not self._end_passed and not self.queue and (sent or self.waiting is None):
            self._end_passed = True
            self._outlet.end_to_server()
