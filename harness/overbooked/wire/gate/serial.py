"""A queue of one connection's messages; each is held after the answer to the previous one was delivered.

It stores the queued messages, the held message, the data that the server sent after the held answer, and
which ends of stream have arrived and been forwarded.
"""

from __future__ import annotations

from collections import deque
from enum import Enum
from typing import Generic, Protocol, TypeVar

from overbooked.wire.gate.held import ConnectionHolds, HeldBoundary
from overbooked.wire.gate.session import Outlet

_M = TypeVar("_M")
_M_contra = TypeVar("_M_contra", contravariant=True)
_ScannerT = TypeVar("_ScannerT", bound="Scanner")
_AnyScannerT = TypeVar("_AnyScannerT", bound="Scanner")


class Scanner(Protocol):
    """Splits one direction of a connection into pieces; `pending` is the incomplete next piece."""

    pending: bytearray


class Direction(Generic[_ScannerT]):
    """A scanner, and how much of its incomplete piece has been forwarded."""

    __slots__ = ("_ahead", "scanner")

    def __init__(self, scanner: _ScannerT) -> None:
        self.scanner = scanner
        self._ahead = 0

    def passed(self) -> None:
        """Mark everything read so far as forwarded."""
        self._ahead = len(self.scanner.pending)

    def ahead(self) -> int:
        """Return how many bytes of the completed piece were already forwarded, and reset the count."""
        taken, self._ahead = self._ahead, 0
        return taken

    def left(self) -> bytes:
        """The part of the incomplete piece that has not been forwarded."""
        return bytes(self.scanner.pending[self._ahead :])

    def catch_up(self) -> bytes:
        """Return `left` and mark it as forwarded."""
        left = self.left()
        self.passed()
        return left


class Disposition(Enum):
    """What happens to the message at the head of the queue."""

    ON = "it is sent without asking the keeper"
    ASK = "the keeper is asked"
    WAIT = "what went before is answered first"


class SerialSession(Protocol[_M_contra]):
    """The session's side of the queue."""

    @property
    def raw(self) -> bool:
        """Whether the rest of the connection no longer consists of messages, as after an upgrade."""

    def way(self, message: _M_contra) -> Disposition:
        """Decide what happens to the message at the head of the queue."""

    def send_on(self, message: _M_contra) -> None:
        """Send it without asking the keeper."""

    def ask(self, message: _M_contra) -> None:
        """Ask the keeper; `waiting` is already this message."""

    def turned(self) -> None:
        """Called when the queue has advanced as far as possible."""


class SerialQueue(Generic[_M]):
    """The queue of one connection, and its held message.

    Args:
        outlet: the connection.
        holds: its boundaries and keeper.
        follower: the session.
    """

    __slots__ = (
        "_behind",
        "_end_passed",
        "_follower",
        "_holds",
        "_outlet",
        "_turning",
        "client_over",
        "gone",
        "queue",
        "server_over",
        "waiting",
    )

    def __init__(self, outlet: Outlet, holds: ConnectionHolds, follower: SerialSession[_M]) -> None:
        self._outlet = outlet
        self._holds = holds
        self._follower = follower
        self.queue: deque[_M] = deque()  # not held yet
        self.waiting: _M | None = None  # the held message, until its answer is delivered
        self._behind: list[bytes] = []  # data from the server after a held answer
        self._turning = False
        self.client_over = self.server_over = self._end_passed = False
        self.gone = False  # the connection was closed

    @property
    def empty(self) -> bool:
        """Whether no message is queued or held."""
        return self.waiting is None and not self.queue

    def of(self, held: HeldBoundary) -> _M:
        """The message of a boundary that the keeper has decided about."""
        waiting = self.waiting
        assert waiting is not None, "a decided boundary is the one that waits"
        assert self._holds.held is held, "a decided boundary is the one that waits"
        return waiting

    def turn(self) -> None:
        """Advance the queue: send messages that are not held, and hold the next one that is."""
        if self._turning or self.gone:
            return
        if self._holds.lost:
            self.pass_end()
            return
        follower = self._follower
        self._turning = True
        try:
            while self.queue and self.waiting is None and not (follower.raw or self.gone):
                message = self.queue[0]
                way = follower.way(message)
                if way is Disposition.WAIT:
                    break
                self.queue.popleft()
                if way is Disposition.ON:
                    follower.send_on(message)
                else:
                    self.waiting = message
                    follower.ask(message)
        finally:
            self._turning = False
        follower.turned()

    def over(self) -> None:
        """Handle the end of the connection."""
        self.gone = True
        self._holds.over()

    def put_behind(self, data: bytes) -> None:
        """Keep data that the server sent after the held answer."""
        self._behind.append(data)

    def finish(self) -> None:
        """Finish the held message and forward the data that the server sent after its answer."""
        self.waiting = self._holds.held = None
        for data in self._behind:
            self._outlet.to_client(data)
        self._behind.clear()

    def catch_up(self, up: Direction[_ScannerT], down: Direction[_AnyScannerT]) -> None:
        """Forward the unsent parts of incomplete pieces."""
        if said := up.catch_up():
            self._outlet.to_server(said)
        if answered := down.catch_up():
            self._outlet.to_client(answered)

    def pass_end(self, *, sent: bool = True) -> None:
        """Forward the client's end of stream once all its messages are sent, even if some are unanswered.

        Args:
            sent: whether the held message has been sent.
        """
        if self.client_over and not self._end_passed and not self.queue and (sent or self.waiting is None):
            self._end_passed = True
            self._outlet.end_to_server()
