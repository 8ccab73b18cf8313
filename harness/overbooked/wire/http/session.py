"""One HTTP/1.1 connection at the gate; satisfies `overbooked.wire.gate.session.Session`.

Without a keeper, bytes are forwarded as they arrive and only the framing is parsed. With a keeper, each
complete request and each complete answer is held; pipelined requests are held one after another. A message
that is too large to buffer is held at its beginning and streams after its release. Server-sent events are
held at their head and stream after its release. After an upgrade all data is forwarded.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

from overbooked.wire.gate.held import HeldBoundary, HoldState, trickle
from overbooked.wire.gate.queued_session import NOT_SENT, QueuedSession
from overbooked.wire.gate.serial import Direction, Disposition
from overbooked.wire.gate.session import Outlet
from overbooked.wire.http.exchange import KEPT_BYTES, HttpExchange
from overbooked.wire.http.framing import (
    Body,
    Head,
    HttpScanner,
    Piece,
    request_body,
    response_body,
)
from overbooked.wire.http.injection import refusal

# uvicorn closes a connection after five idle seconds, other servers sooner: a request that was held longer
# than this is sent on a new connection.
_IDLE_S = 1.0
_ENDLESS_LINE = (
    "the server's answer has no length (a Transfer-Encoding that does not end in chunked), so it lasts until "
    "the server closes the connection, and the client sends another request behind it: have the server send "
    "Content-Length or chunked"
)
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class HttpSession(QueuedSession[HttpExchange, HttpScanner, HttpScanner]):
    """Parses, holds and fails the requests of one connection.

    Args:
        outlet: the connection.
        clock: returns seconds; measures how long the server's side was idle.
    """

    protocol_name = "HTTP/1.1"

    def __init__(self, outlet: Outlet, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(outlet, HttpScanner(responses=False, body_of=request_body), self._response_scanner())
        self._clock = clock
        self._awaited: deque[HttpExchange] = deque()  # sent and not answered yet
        self._coming: HttpExchange | None = None  # the exchange with an incomplete request
        self._swallows = 0  # 100 responses that the server may still send although the gate has sent them
        self._informational = False  # the current response is not the final one
        self._last_heard = clock()
        self._tunnel = False

    @property
    def _passing(self) -> bool:
        return super()._passing and not self._swallows

    @property
    def raw(self) -> bool:
        """See `SerialSession`."""
        return self._tunnel

    def _response_scanner(self) -> HttpScanner:
        return HttpScanner(responses=True, body_of=self._response_body)

    def _response_body(self, head: Head) -> tuple[Body, int]:
        return response_body(head, self._awaited[0].head.method if self._awaited else "GET")

    # -- what is read --------------------------------------------------------------------------

    def _follow_client(self, data: bytes, *, passing: bool) -> None:
        for piece, raw, head in self._requests.scanner.feed(data):
            self._take_request(piece, raw, head, self._requests.ahead(), passing=passing)

    def _take_request(
        self, piece: Piece, raw: bytes, head: Head | None, begun: int, *, passing: bool
    ) -> None:
        if head is not None:
            self._coming = HttpExchange(head)
            if not passing and not begun:
                self._line.queue.append(self._coming)
                if self._awaited and self._awaited[0].endless:
                    self._holds.lose(_ENDLESS_LINE, harmless=False)
                return
            self._coming.take()
            self._awaited.append(self._coming)
        exchange = self._coming
        if piece is Piece.END:
            if exchange is not None:
                exchange.whole = True
            self._coming = None
        elif exchange is not None and not passing:
            if exchange.sent:
                self._outlet.to_server(raw[begun:])
            else:
                exchange.add(raw)

    def from_server(self, data: bytes) -> None:
        """Forward the data, or keep the part that answers the held request."""
        if self._tunnel:
            self._give(None, data)
            return
        if not (self._holds.lost or self._awaited or self._line.empty):
            # The server closes an idle connection (408); the data does not answer the held request.
            self._line.server_over = True
            return
        super().from_server(data)

    def _follow_server(self, data: bytes, *, passing: bool) -> None:
        for piece, raw, head in self._responses.scanner.feed(data):
            self._take_response(piece, raw[self._responses.ahead() :], head, passing=passing)
            if self._tunnel or self._line.gone:
                break
        if self._tunnel and not passing:
            self._give(None, self._responses.catch_up())

    def _take_response(self, piece: Piece, raw: bytes, head: Head | None, *, passing: bool) -> None:
        exchange = self._awaited[0] if self._awaited else None
        if head is not None:
            self._informational = head.status < 200 and head.status != 101
            if self._informational and head.status == 100 and exchange is not None and exchange.continued:
                return
            if exchange is not None and not self._informational:
                exchange.response = head
                exchange.endless = self._responses.scanner.lasts_to_the_end
        if not passing:
            self._give(exchange, raw)
        if piece is Piece.END and not self._informational:
            self._answer_over(exchange)
        if exchange is not None and exchange is self._line.waiting:
            self._show(exchange)

    def _give(self, exchange: HttpExchange | None, raw: bytes) -> None:
        """Write bytes to the client, or keep them if they belong to a held answer or follow it."""
        waiting = self._line.waiting
        if waiting is None or not raw or (exchange is waiting and waiting.streams):
            self._outlet.to_client(raw)
        elif exchange is waiting:
            waiting.add_answer(raw)
        elif waiting.answer_whole:
            self._line.put_behind(raw)
        else:
            self._outlet.to_client(raw)

    def _answer_over(self, exchange: HttpExchange | None) -> None:
        self._last_heard = self._clock()
        self._tunnel = self._responses.scanner.tunnels
        if exchange is not None:
            self._awaited.popleft()
            self._swallows -= exchange.continued
            exchange.answer_whole = True

    def _show(self, exchange: HttpExchange) -> None:
        """Report the answer to the keeper, once; finish a streaming answer at its end."""
        if exchange.streams and exchange.answer_whole:
            self._finish()
        elif not exchange.shown and exchange.showable and self._holds.held is not None:
            exchange.shown = True
            self._holds.answered(exchange.reply())

    def _pass_server_end(self) -> None:
        """Forward the end, unless a held request can use a new connection or an answer is held."""
        if not self._tunnel and self._responses.scanner.ended():
            self._take_response(Piece.END, b"", None, passing=self._passing)
        waiting = self._line.waiting
        if not self._awaited and not self._tunnel and not self._line.empty:
            return
        if waiting is not None and (waiting.answer_whole or waiting.hurry is not None):
            return
        if waiting is not None:
            self._outlet.to_client(waiting.take_answer())
        self._outlet.to_client(self._responses.left())
        self._outlet.end_to_client()

    def _release(self, waiting: HttpExchange, stood: HoldState | None) -> None:
        if stood in NOT_SENT:
            self._line.waiting = None
            self.send_on(waiting)
        elif waiting.hurry is not None:
            waiting.hurry()
        else:
            self._outlet.to_client(waiting.take_answer())
            self._finish()

    # -- the queue (SerialSession) -------------------------------------------------------------

    def way(self, message: HttpExchange) -> Disposition:
        """See `SerialSession`."""
        if self._outlet.keeper is None:
            return Disposition.ON
        if not message.ready and not self._line.client_over:
            if message.expects_continue and not self._awaited:
                message.continued = True
                self._outlet.to_client(_CONTINUE)
            return Disposition.WAIT
        if self._awaited:
            return Disposition.WAIT  # earlier requests must be answered first
        return Disposition.ASK if message.ready else Disposition.ON

    def ask(self, message: HttpExchange) -> None:
        """See `SerialSession`."""
        self._holds.ask(message.boundary(self._outlet))

    def send_on(self, message: HttpExchange) -> None:
        """Send the available part of the request, on a connection that the server has not closed."""
        idle = self._clock() - self._last_heard > _IDLE_S
        if not self._awaited and (self._line.server_over or idle):
            self._outlet.reconnect()
            self._responses = Direction(self._response_scanner())
            self._line.server_over = False
        self._swallows += message.continued
        self._awaited.append(message)
        self._outlet.to_server(message.take())

    def _keeps_too_much(self) -> bool:
        return self._kept() > KEPT_BYTES

    def _has_sent(self) -> bool:
        waiting = self._line.waiting
        return waiting is None or waiting.sent

    def _kept(self) -> int:
        waiting = self._line.waiting
        kept = waiting.kept() if waiting is not None else 0
        return kept + sum(exchange.kept() for exchange in self._line.queue)

    # -- what a keeper decides (Holder) --------------------------------------------------------

    def send(self, held: HeldBoundary) -> None:
        """Send it to the server."""
        self.send_on(self._line.of(held))
        self._outlet.hold_back(False)
        self._pass_end()

    def refuse(self, held: HeldBoundary, code: str, message: str) -> None:
        """Answer with an error; the server does not receive the request."""
        exchange = self._line.of(held)
        answer = refusal(exchange.head.method, code, message, last=not exchange.whole)
        self._outlet.to_client(answer)
        if not exchange.whole:
            self._outlet.close()
        self._finish()

    def deliver(self, held: HeldBoundary, pieces: int, pause_s: float) -> None:
        """Write the part of the answer that has arrived; the rest is forwarded as it arrives."""
        exchange = self._line.of(held)
        answer = exchange.take_answer()
        exchange.hurry = trickle(self._outlet, answer, pieces, pause_s, lambda: self._delivered(exchange))

    def _delivered(self, exchange: HttpExchange) -> None:
        exchange.hurry = None
        exchange.streams = True
        self._outlet.to_client(exchange.take_answer())
        if exchange.answer_whole and exchange is self._line.waiting:
            self._finish()
        elif self._line.server_over:
            self._outlet.end_to_client()

    def _finish(self) -> None:
        """Finish the held exchange and continue with the messages after it."""
        finished = self._line.waiting
        self._line.finish()
        if finished is not None and finished.closes:
            self._line.queue.clear()
        if self._line.server_over and not self._line.queue:
            self._outlet.end_to_client()
        self._line.turn()
