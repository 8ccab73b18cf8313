"""The interface between a relay's connection and its protocol: `Session` and `Outlet`.

A session does no I/O. It receives the data of both sides from the connection's first byte, parses it, and
writes through its outlet. Without a keeper it forwards bytes as they arrive and only tracks the state; with a
keeper it turns groups of messages into held boundaries (`overbooked.wire.gate.held`). It runs in the relay's
thread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol, runtime_checkable

from overbooked.wire.gate.boundary import Gatekeeper


class ProtocolError(Exception):
    """The data is not in the link's protocol; the message says why."""


class Timer(Protocol):
    """A call that is scheduled for later; `asyncio.TimerHandle` is one."""

    def cancel(self) -> None: ...


class Outlet(Protocol):
    """A session's operations on its connection, and the state shared with the link's other sessions.

    Writes to a closed side are dropped; they are never an error.
    """

    @property
    def link(self) -> str:
        """The link's name."""

    @property
    def keeper(self) -> Gatekeeper | None:
        """The current keeper; None means observe only. Read it again at each boundary."""

    @property
    def connection(self) -> int:
        """The number of this connection; a link numbers its connections from 1 by their first boundary."""

    def next_ordinal(self) -> int:
        """Take the next number for a boundary of the link; the first is 1."""

    def to_server(self, data: bytes | bytearray | memoryview) -> None: ...

    def to_client(self, data: bytes | bytearray | memoryview) -> None: ...

    def end_to_server(self) -> None:
        """Forward the client's end of stream (half-close) after the data written so far."""

    def end_to_client(self) -> None:
        """Forward the server's end of stream after the data written so far."""

    def reconnect(self) -> None:
        """Open a new connection to the server; later writes wait for it.

        Used by protocols in which the server may close an idle connection while a message is held. If the
        server cannot be reached, both sides are reset.
        """

    def close(self) -> None:
        """Close both sides after the data written so far has been sent."""

    def reset(self) -> None:
        """Send RST to both sides immediately; unsent data is discarded."""

    def break_off(self, why: str) -> None:
        """Report that the session cannot parse the connection (`on_error`), log it, and reset."""

    def hold_back(self, waits: bool) -> None:
        """Pause reading from the client while its messages queue up; False resumes."""

    def later(self, delay_s: float, act: Callable[[], None]) -> Timer:
        """Call `act` in the relay's thread after `delay_s` seconds."""

    def peers(self) -> Iterable[Session]:
        """All sessions open on the link, including this one."""


@runtime_checkable
class Session(Protocol):
    """Parses one connection from its first byte."""

    def from_client(self, data: bytes) -> None:
        """Handle data from the client: forward, hold or replace it."""

    def from_server(self, data: bytes) -> None:
        """Handle data from the server."""

    def client_ended(self) -> None:
        """Handle the client's end of stream; usually by `outlet.end_to_server()`."""

    def server_ended(self) -> None:
        """Handle the server's end of stream; usually by `outlet.end_to_client()`."""

    def gate_changed(self) -> None:
        """Forward everything that is held, because the keeper was replaced or removed.

        The rest of a partly forwarded boundary is forwarded too; the next boundary goes to the new keeper.
        """

    def over(self) -> None:
        """Handle the end of the connection; called once, and no data follows.

        Notifies the keeper (`on_close`) if it has had a boundary of this connection.
        """
