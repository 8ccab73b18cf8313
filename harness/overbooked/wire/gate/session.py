"""The port between a relay's connection and the protocol spoken on it: `Session` and `Outlet`.

A session is sans-I/O. It is fed what is read on both sides from the connection's first byte, frames
it, and tells its outlet what to write where. With no keeper it passes bytes on as they come and only
follows the state; with one it turns groups of messages into held boundaries (`overbooked.wire.gate.held`).
Everything here happens in the relay's thread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol, runtime_checkable

from overbooked.wire.gate.boundary import Gatekeeper


class Timer(Protocol):
    """Something that will be called later; `asyncio.TimerHandle` is one."""

    def cancel(self) -> None: ...


class Outlet(Protocol):
    """What a session can do to its connection, and what it shares with the link's other sessions.

    Writes to a side that has gone are dropped; they are never an error.
    """

    @property
    def link(self) -> str:
        """The link's name."""

    @property
    def keeper(self) -> Gatekeeper | None:
        """Who decides about boundaries now; None: observe only. Ask anew at each boundary."""

    @property
    def connection(self) -> int:
        """This connection's number: the link's connections count from 1 in the order in which they
        first ask for it, which is at their first boundary."""

    def next_ordinal(self) -> int:
        """The number of the link's next boundary, from 1; each call takes one."""

    def to_server(self, data: bytes | bytearray | memoryview) -> None: ...

    def to_client(self, data: bytes | bytearray | memoryview) -> None: ...

    def end_to_server(self) -> None:
        """Pass on the client's end of stream (half-close), after what was written."""

    def end_to_client(self) -> None:
        """Pass on the server's end of stream, after what was written."""

    def reconnect(self) -> None:
        """Take a new connection to the server; what is written from now on waits for it.

        For protocols whose server may drop an idle connection while a message is held. Where there is
        no server to be reached both sides are reset.
        """

    def close(self) -> None:
        """Close both sides in order, once what was written has been sent."""

    def reset(self) -> None:
        """RST to both sides, at once; what was written and not sent is dropped."""

    def break_off(self, why: str) -> None:
        """The session cannot follow: tells the keeper (`broken`), or the log, and resets."""

    def hold_back(self, waits: bool) -> None:
        """Stop reading from the client while its messages queue up here; False goes on."""

    def later(self, delay_s: float, act: Callable[[], None]) -> Timer:
        """Call `act` in the relay's thread after `delay_s` seconds."""

    def peers(self) -> Iterable[Session]:
        """Every session now open on the link, this one included."""


@runtime_checkable
class Session(Protocol):
    """Follows one connection from its first byte."""

    def from_client(self, data: bytes) -> None:
        """These bytes were read from the client: write them, or what stands for them, on."""

    def from_server(self, data: bytes) -> None:
        """These bytes were read from the server."""

    def client_ended(self) -> None:
        """The client sent its end of stream; usually `outlet.end_to_server()`."""

    def server_ended(self) -> None:
        """The server sent its end of stream; usually `outlet.end_to_client()`."""

    def gate_changed(self) -> None:
        """Another keeper, or none, is in force from here on: pass on all that is held. A boundary
        that has begun to be passed on goes on so; the next one asks the new keeper."""

    def over(self) -> None:
        """The connection has gone, whoever ended it; called once, nothing is fed afterwards. Tells
        the keeper (`closed`) what was waiting, if the keeper ever saw this connection."""
