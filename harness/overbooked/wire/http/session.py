"""One HTTP/1.1 connection at the gate; satisfies `overbooked.wire.gate.session.Session`.

Without a keeper bytes go on as they come and only the framing is followed. With one each request is
held whole, pipelined ones one after another, and so is its answer. What is too large to keep is held
at its beginning and streams once it may go; events (SSE) stream from their head on; after an upgrade
everything passes.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

from overbooked.wire.gate.held import Dealings, HeldBoundary, Turn, trickle
from overbooked.wire.gate.serial import Direction, OneByOne, Way
from overbooked.wire.gate.session import Outlet
from overbooked.wire.http.exchange import KEPT_BYTES, Exchange
from overbooked.wire.http.framing import Body, Head, Piece, Scanner, Violation, request_body, response_body
from overbooked.wire.http.injection import refusal

# uvicorn drops a connection that was idle for five seconds, others sooner: what was held longer than
# this goes to the server on a new one.
_IDLE_S = 1.0
_ENDLESS_LINE = (
    "the server's answer has no length (a Transfer-Encoding that does not end in chunked), so it lasts until "
    "the server closes the connection, and the client sends another request behind it: have the server send "
    "Content-Length or chunked"
)
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class HttpSession:
    """Follows, holds and fails the requests of one connection.

    Args:
        outlet: the connection.
        clock: seconds, for how long the server's side was idle.
    """

    def __init__(self, outlet: Outlet, clock: Callable[[], float] = time.monotonic) -> None:
        self._outlet = outlet
        self._clock = clock
        self._dealings = Dealings(outlet, self)
        self._line: OneByOne[Exchange] = OneByOne(outlet, self._dealings, self)
        self._requests = Direction(Scanner(responses=False, body_of=request_body))
        self._responses = self._new_responses()
        self._awaited: deque[Exchange] = deque()  # the server has them and has not answered yet
        self._coming: Exchange | None = None  # the one whose request is not whole yet
        self._swallows = 0  # 100s that the server may still say and the gate has said
        self._informational = False  # the response now coming is not the final one
        self._last_heard = clock()
        self._tunnel = False

    @property
    def _passing(self) -> bool:
        return self._outlet.keeper is None and self._line.empty and not self._swallows

    @property
    def raw(self) -> bool:
        """See `Follower`."""
        return self._tunnel

    def _new_responses(self) -> Direction[Scanner]:
        return Direction(Scanner(responses=True, body_of=self._response_body))

    def _response_body(self, head: Head) -> tuple[Body, int]:
        return response_body(head, self._awaited[0].head.method if self._awaited else "GET")

    # What comes in.

    def from_client(self, data: bytes) -> None:
        """Pass it on, or queue the requests that it belongs to."""
        if self._tunnel or self._dealings.is_lost():
            self._outlet.to_server(data)
            return
        passing = self._passing
        if passing:
            self._outlet.to_server(data)
        try:
            for piece, raw, head in self._requests.scanner.feed(data):
                self._take_request(piece, raw, head, self._requests.ahead(), passing=passing)
        except Violation as violation:
            self._dealings.lose(
                f"a client speaks no HTTP/1.1 on {self._outlet.link}: {violation}", harmless=passing
            )
            return
        if passing:
            self._requests.passed()
        else:
            self._line.turn()

    def _take_request(
        self, piece: Piece, raw: bytes, head: Head | None, begun: int, *, passing: bool
    ) -> None:
        if head is not None:
            self._coming = Exchange(head)
            if not passing and not begun:
                self._line.queue.append(self._coming)
                if self._awaited and self._awaited[0].endless:
                    self._dealings.lose(_ENDLESS_LINE, harmless=False)
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
        """Pass it on, or keep what answers the held request."""
        if self._tunnel:
            self._give(None, data)
            return
        if self._dealings.is_lost():
            self._outlet.to_client(data)
            return
        if not (self._awaited or self._line.empty):
            # It gives up an idle connection (408): that answers nothing, least of all what is held.
            self._line.server_over = True
            return
        passing = self._passing
        if passing:
            self._outlet.to_client(data)
        try:
            for piece, raw, head in self._responses.scanner.feed(data):
                self._take_response(piece, raw[self._responses.ahead() :], head, passing=passing)
                if self._tunnel or self._line.gone:
                    break
        except Violation as violation:
            self._dealings.lose(
                f"the server speaks no HTTP/1.1 on {self._outlet.link}: {violation}", harmless=passing
            )
            return
        if passing:
            self._responses.passed()
            return
        if self._tunnel:
            self._give(None, self._responses.catch_up())
        self._line.turn()

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

    def _give(self, exchange: Exchange | None, raw: bytes) -> None:
        """Bytes for the client: kept while they are, or come after, an answer that is held."""
        waiting = self._line.waiting
        if waiting is None or not raw or (exchange is waiting and waiting.streams):
            self._outlet.to_client(raw)
        elif exchange is waiting:
            waiting.add_answer(raw)
        elif waiting.answer_whole:
            self._line.put_behind(raw)
        else:
            self._outlet.to_client(raw)

    def _answer_over(self, exchange: Exchange | None) -> None:
        self._last_heard = self._clock()
        self._tunnel = self._responses.scanner.tunnels
        if exchange is not None:
            self._awaited.popleft()
            self._swallows -= exchange.continued
            exchange.answer_whole = True

    def _show(self, exchange: Exchange) -> None:
        """Ask the keeper about the answer, once; what streams is over with at its end."""
        if exchange.streams and exchange.answer_whole:
            self._finish()
        elif not exchange.shown and exchange.showable and self._dealings.held is not None:
            exchange.shown = True
            self._dealings.answered(exchange.reply())

    def client_ended(self) -> None:
        """It has said all; a stalled request has nobody left who waits for it."""
        self._line.client_over = True
        if self._dealings.turn is Turn.STALLED:
            self._outlet.close()
        else:
            self._line.turn()

    def server_ended(self) -> None:
        """Told to the client, unless a held request can go on a new connection or an answer waits."""
        self._line.server_over = True
        if self._dealings.lost:
            self._outlet.end_to_client()
            return
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

    def gate_changed(self) -> None:
        """What was held for the last keeper goes on."""
        stood = self._dealings.dismissed()
        waiting = self._line.waiting
        if waiting is not None:
            if stood in (Turn.ASKED, Turn.STALLED):
                self._line.waiting = None
                self.send_on(waiting)
            elif waiting.hurry is not None:
                waiting.hurry()
            else:
                self._outlet.to_client(waiting.take_answer())
                self._finish()
        self._line.turn()

    def over(self) -> None:
        """The connection has gone."""
        self._line.over()

    # Whose turn it is: `overbooked.wire.gate.serial.Follower`.

    def way(self, message: Exchange) -> Way:
        """See `Follower`."""
        if self._outlet.keeper is None:
            return Way.ON
        if not message.ready and not self._line.client_over:
            if message.expects_continue and not self._awaited:
                message.continued = True
                self._outlet.to_client(_CONTINUE)
            return Way.WAIT
        if self._awaited:
            return Way.WAIT  # what passed before is answered first
        return Way.ASK if message.ready else Way.ON

    def ask(self, message: Exchange) -> None:
        """See `Follower`."""
        self._dealings.ask(message.boundary(self._outlet))

    def send_on(self, message: Exchange) -> None:
        """Send what there is of it, on a connection that the server has not given up."""
        idle = self._clock() - self._last_heard > _IDLE_S
        if not self._awaited and (self._line.server_over or idle):
            self._outlet.reconnect()
            self._responses = self._new_responses()
            self._line.server_over = False
        self._swallows += message.continued
        self._awaited.append(message)
        self._outlet.to_server(message.take())

    def turned(self) -> None:
        """See `Follower`."""
        self._outlet.hold_back(self._kept() > KEPT_BYTES)
        if self._tunnel or self._passing:
            # Bytes pass as they come again: so do those of pieces that are not whole yet.
            self._line.catch_up(self._requests, self._responses)
        self._pass_end()

    def _pass_end(self) -> None:
        waiting = self._line.waiting
        self._line.pass_end(sent=waiting is None or waiting.sent)

    def _kept(self) -> int:
        waiting = self._line.waiting
        kept = waiting.kept() if waiting is not None else 0
        return kept + sum(exchange.kept() for exchange in self._line.queue)

    # What a keeper decides: `overbooked.wire.gate.held.Holder`.

    def send(self, held: HeldBoundary) -> None:
        """Send it to the server."""
        self.send_on(self._line.of(held))
        self._outlet.hold_back(False)
        self._pass_end()

    def refuse(self, held: HeldBoundary, code: str, message: str) -> None:
        """Answer it here; the server never sees it."""
        exchange = self._line.of(held)
        answer = refusal(exchange.head.method, code, message, last=not exchange.whole)
        self._outlet.to_client(answer)
        if not exchange.whole:
            self._outlet.close()
        self._finish()

    def deliver(self, held: HeldBoundary, pieces: int, pause_s: float) -> None:
        """Write what there is of the answer; the rest streams."""
        exchange = self._line.of(held)
        answer = exchange.take_answer()
        exchange.hurry = trickle(self._outlet, answer, pieces, pause_s, lambda: self._delivered(exchange))

    def _delivered(self, exchange: Exchange) -> None:
        exchange.hurry = None
        exchange.streams = True
        self._outlet.to_client(exchange.take_answer())
        if exchange.answer_whole and exchange is self._line.waiting:
            self._finish()
        elif self._line.server_over:
            self._outlet.end_to_client()

    def lose(self, held: HeldBoundary) -> None:
        """Reset instead."""
        self._outlet.reset()

    def reset(self, held: HeldBoundary) -> None:
        """Reset; the server never saw it."""
        self._outlet.reset()

    def _finish(self) -> None:
        """The held exchange is over with: go on with what came behind it."""
        finished = self._line.waiting
        self._line.finish()
        if finished is not None and finished.closes:
            self._line.queue.clear()
        if self._line.server_over and not self._line.queue:
            self._outlet.end_to_client()
        self._line.turn()
