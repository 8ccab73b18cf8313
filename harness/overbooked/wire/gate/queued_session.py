"""A session that holds its messages one at a time; the base of the HTTP and Redis sessions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, Generic, TypeVar

from overbooked.wire.gate.held import ConnectionHolds, HeldBoundary, HoldState
from overbooked.wire.gate.serial import Direction, Disposition, Scanner, SerialQueue
from overbooked.wire.gate.session import Outlet, ProtocolError

M = TypeVar("M")
RequestsT = TypeVar("RequestsT", bound=Scanner)
ResponsesT = TypeVar("ResponsesT", bound=Scanner)

NOT_SENT = frozenset({HoldState.ASKED, HoldState.STALLED})


class QueuedSession(ABC, Generic[M, RequestsT, ResponsesT]):
    """Follows one connection; satisfies `Session`, `Holder` and `SerialSession` of `overbooked.wire.gate`.

    Without a keeper, bytes are forwarded as they arrive and only the state is tracked. With a keeper, each
    message is held separately, and the next one is held after its answer was delivered.

    Args:
        outlet: the connection.
        requests, responses: the scanners of the two directions.
    """

    protocol_name: ClassVar[str]

    def __init__(self, outlet: Outlet, requests: RequestsT, responses: ResponsesT) -> None:
        self._outlet = outlet
        self._holds = ConnectionHolds(outlet, self)
        self._line: SerialQueue[M] = SerialQueue(outlet, self._holds, self)
        self._requests = Direction(requests)
        self._responses = Direction(responses)

    @property
    def _passing(self) -> bool:
        """Whether bytes are forwarded as they arrive."""
        return self._outlet.keeper is None and self._line.empty

    # -- what is read --------------------------------------------------------------------------

    def from_client(self, data: bytes) -> None:
        """Forward the data, or queue the messages that it completes."""
        if self.raw or self._holds.is_lost():
            self._outlet.to_server(data)
            return
        passing = self._passing
        if passing:
            self._outlet.to_server(data)
        try:
            self._follow_client(data, passing=passing)
        except ProtocolError as error:
            self._lose("a client", error, harmless=passing)
            return
        if passing:
            self._requests.passed()
        else:
            self._line.turn()

    def from_server(self, data: bytes) -> None:
        """Forward the data, or keep the part that answers the held message."""
        if self.raw or self._holds.is_lost():
            self._outlet.to_client(data)
            return
        passing = self._passing
        if passing:
            self._outlet.to_client(data)
        try:
            self._follow_server(data, passing=passing)
        except ProtocolError as error:
            self._lose("the server", error, harmless=passing)
            return
        if passing:
            self._responses.passed()
        else:
            self._line.turn()

    def _lose(self, speaker: str, error: ProtocolError, *, harmless: bool) -> None:
        self._holds.lose(
            f"{speaker} does not speak {self.protocol_name} on {self._outlet.link}: {error}",
            harmless=harmless,
        )

    def client_ended(self) -> None:
        """Handle the client's end of stream; close if its message is stalled, since no answer is awaited."""
        self._line.client_over = True
        if self._holds.turn is HoldState.STALLED:
            self._outlet.close()
        else:
            self._line.turn()

    def server_ended(self) -> None:
        """Handle the server's end of stream: forward it unless an earlier answer is still pending."""
        self._line.server_over = True
        if self._holds.lost:
            self._outlet.end_to_client()
        else:
            self._pass_server_end()

    def gate_changed(self) -> None:
        """Forward what was held for the previous keeper."""
        stood = self._holds.dismissed()
        waiting = self._line.waiting
        if waiting is not None:
            self._release(waiting, stood)
        self._line.turn()

    def over(self) -> None:
        """Handle the end of the connection."""
        self._line.over()

    # -- the queue -----------------------------------------------------------------------------

    def turned(self) -> None:
        """See `SerialSession`."""
        self._outlet.hold_back(self._keeps_too_much())
        if self.raw or self._passing:
            self._catch_up()
        self._pass_end()

    def _catch_up(self) -> None:
        """Forward the bytes of incomplete messages, because bytes are now forwarded as they arrive."""
        self._line.catch_up(self._requests, self._responses)

    def _pass_end(self) -> None:
        self._line.pass_end(sent=self._has_sent())

    # -- what a keeper decides -----------------------------------------------------------------

    def lose(self, held: HeldBoundary) -> None:
        """Reset both sides instead of answering."""
        self._outlet.reset()

    def reset(self, held: HeldBoundary) -> None:
        """Reset both sides; the server does not receive the message."""
        self._outlet.reset()

    # -- left to the protocol ------------------------------------------------------------------

    @property
    @abstractmethod
    def raw(self) -> bool:
        """See `SerialSession`."""

    @abstractmethod
    def _follow_client(self, data: bytes, *, passing: bool) -> None:
        """Parse the client's data; unless it was forwarded already (`passing`), queue it or send it.

        Raises:
            ProtocolError: the data is not in the link's protocol.
        """

    @abstractmethod
    def _follow_server(self, data: bytes, *, passing: bool) -> None:
        """Parse the server's data; unless it was forwarded already (`passing`), keep it or deliver it.

        Raises:
            ProtocolError: the data is not in the link's protocol.
        """

    @abstractmethod
    def _pass_server_end(self) -> None: ...

    @abstractmethod
    def _release(self, waiting: M, stood: HoldState | None) -> None:
        """Forward the waiting message or its answer after the keeper was removed.

        Args:
            stood: the last state of its boundary.
        """

    @abstractmethod
    def _keeps_too_much(self) -> bool:
        """Whether to stop reading from the client until queued messages have been sent."""

    @abstractmethod
    def _has_sent(self) -> bool:
        """Whether the waiting message has been sent."""

    @abstractmethod
    def way(self, message: M) -> Disposition:
        """See `SerialSession`."""

    @abstractmethod
    def send_on(self, message: M) -> None:
        """See `SerialSession`."""

    @abstractmethod
    def ask(self, message: M) -> None:
        """See `SerialSession`."""

    @abstractmethod
    def send(self, held: HeldBoundary) -> None:
        """See `Holder`."""

    @abstractmethod
    def refuse(self, held: HeldBoundary, code: str, message: str) -> None:
        """See `Holder`."""

    @abstractmethod
    def deliver(self, held: HeldBoundary, pieces: int, pause_s: float) -> None:
        """See `Holder`."""
