"""One HTTP/1.1 connection at the gate; satisfies `harness.wire.session.Session`.

Without a keeper bytes go on as they come and only the framing is followed. With one each request is
held whole, pipelined ones one after another, and so is its answer. What is too large to keep is held
at its beginning and streams once it may go; events (SSE) stream from their head on; after an upgrade
everything passes.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable

from harness.wire.boundary import Gatekeeper
from harness.wire.holding import HeldBoundary, Turn, trickle
from harness.wire.http.exchange import KEPT_BYTES, Exchange
from harness.wire.http.framing import Body, Head, Piece, Scanner, Violation, request_body, response_body
from harness.wire.http.refusing import refusal
from harness.wire.session import Outlet

log = logging.getLogger(__name__)

# uvicorn drops a connection that was idle for five seconds, others sooner: what was held longer than
# this goes to the server on a new one.
_IDLE_S = 1.0
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
        self._requests = Scanner(responses=False, body_of=request_body)
        self._responses = Scanner(responses=True, body_of=self._response_body)
        self._queue: deque[Exchange] = deque()  # wait for their turn
        self._awaited: deque[Exchange] = deque()  # the server has them and has not answered yet
        self._waiting: Exchange | None = None  # the held one, until its answer was delivered
        self._coming: Exchange | None = None  # the one whose request is not whole yet
        self._behind: list[bytes] = []  # what the server said after an answer that waits
        self._begun = self._told = 0  # bytes that went on before the piece they belong to was whole
        self._swallows = 0  # 100s that the server may still say and the gate has said
        self._informational = False  # the response now coming is not the final one
        self._last_heard = clock()
        self._tunnel = self._turning = self._shown = self._gone = False
        self._client_over = self._server_over = self._end_passed = False
        self._lost = ""  # why the connection is not followed any more

    @property
    def _passing(self) -> bool:
        return (
            self._outlet.keeper is None and self._waiting is None and not self._queue and not self._swallows
        )

    def _response_body(self, head: Head) -> tuple[Body, int]:
        return response_body(head, self._awaited[0].head.method if self._awaited else "GET")

    # What comes in.

    def from_client(self, data: bytes) -> None:
        """Pass it on, or queue the requests that it belongs to."""
        if self._tunnel or self._is_lost():
            self._outlet.to_server(data)
            return
        passing = self._passing
        if passing:
            self._outlet.to_server(data)
        try:
            for piece, raw, head in self._requests.feed(data):
                begun, self._begun = self._begun, 0
                self._take_request(piece, raw, head, begun, passing=passing)
        except Violation as violation:
            self._lose(f"a client speaks no HTTP/1.1 on {self._outlet.link}: {violation}", passing=passing)
            return
        if passing:
            self._begun = self._requests.size
        else:
            self._turn()

    def _take_request(
        self, piece: Piece, raw: bytes, head: Head | None, begun: int, *, passing: bool
    ) -> None:
        if head is not None:
            self._coming = Exchange(head)
            if not passing and not begun:
                self._queue.append(self._coming)
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
        if self._is_lost():
            self._outlet.to_client(data)
            return
        passing = self._passing
        if passing:
            self._outlet.to_client(data)
        try:
            for piece, raw, head in self._responses.feed(data):
                told, self._told = self._told, 0
                self._take_response(piece, raw[told:], head, passing=passing)
                if self._tunnel or self._gone:
                    break
        except Violation as violation:
            self._lose(f"the server speaks no HTTP/1.1 on {self._outlet.link}: {violation}", passing=passing)
            return
        if passing:
            self._told = self._responses.size
            return
        if self._tunnel:
            rest, self._told = self._responses.rest[self._told :], self._responses.size
            self._give(None, rest)
        self._turn()

    def _take_response(self, piece: Piece, raw: bytes, head: Head | None, *, passing: bool) -> None:
        exchange = self._awaited[0] if self._awaited else None
        if head is not None:
            self._informational = head.status < 200 and head.status != 101
            if self._informational and head.status == 100 and exchange is not None and exchange.continued:
                return
            if exchange is not None and not self._informational:
                exchange.response = head
        if not passing:
            self._give(exchange, raw)
        if piece is Piece.END and not self._informational:
            self._answer_over(exchange)
        if exchange is not None and exchange is self._waiting:
            self._show(exchange)

    def _give(self, exchange: Exchange | None, raw: bytes) -> None:
        """Bytes for the client: kept while they are, or come after, an answer that is held."""
        waiting = self._waiting
        if waiting is None or not raw or (exchange is waiting and waiting.streams):
            self._outlet.to_client(raw)
        elif exchange is waiting:
            waiting.add_answer(raw)
        elif waiting.answer_whole:
            self._behind.append(raw)
        else:
            self._outlet.to_client(raw)

    def _answer_over(self, exchange: Exchange | None) -> None:
        self._last_heard = self._clock()
        self._tunnel = self._responses.tunnels
        if exchange is not None:
            self._awaited.popleft()
            self._swallows -= exchange.continued
            exchange.answer_whole = True

    def _show(self, exchange: Exchange) -> None:
        """Ask the keeper about the answer, once; what streams is over with at its end."""
        if exchange.streams and exchange.answer_whole:
            self._finish()
        elif not exchange.shown and exchange.showable and exchange.held is not None:
            exchange.shown = True
            exchange.held.answered(exchange.reply())
            keeper = self._outlet.keeper
            assert keeper is not None, "without a keeper nothing is held"
            keeper.answers(exchange.held)

    def client_ended(self) -> None:
        """It has said all; a stalled request has nobody left who waits for it."""
        self._client_over = True
        if self._lost:
            self._outlet.end_to_server()
            return
        waiting = self._waiting
        if waiting is not None and waiting.held is not None and waiting.held.turn is Turn.STALLED:
            self._outlet.close()
        else:
            self._turn()

    def server_ended(self) -> None:
        """Told to the client, unless a held request can go on a new connection or an answer waits."""
        self._server_over = True
        if self._lost:
            self._outlet.end_to_client()
            return
        if not self._tunnel and self._responses.ended():
            self._take_response(Piece.END, b"", None, passing=self._passing)
        waiting = self._waiting
        if not self._awaited and not self._tunnel and (self._queue or waiting):
            return
        if waiting is not None and (waiting.answer_whole or waiting.hurry is not None):
            return
        if waiting is not None:
            self._outlet.to_client(waiting.take_answer())
        self._outlet.to_client(self._responses.rest[self._told :])
        self._outlet.end_to_client()

    def gate_changed(self) -> None:
        """What was held for the last keeper goes on."""
        self._shown = False
        waiting = self._waiting
        if waiting is not None and waiting.held is not None:
            stood = waiting.held.release()
            if stood in (Turn.ASKED, Turn.STALLED):
                self._waiting = None
                self._send(waiting)
            elif waiting.hurry is not None:
                waiting.hurry()
            else:
                self._outlet.to_client(waiting.take_answer())
                self._finish()
        self._turn()

    def over(self) -> None:
        """The connection has gone."""
        self._gone = True
        keeper = self._outlet.keeper
        if self._shown and keeper is not None:
            held = self._waiting.held if self._waiting is not None else None
            keeper.closed(self._outlet.link, self._outlet.connection, held)

    def _lose(self, why: str, *, passing: bool) -> None:
        """It cannot be followed any more: without a keeper that is no harm."""
        if passing:
            log.warning("%s", why)
            self._lost = why
        else:
            self._outlet.break_off(why)

    def _is_lost(self) -> bool:
        if self._lost and self._outlet.keeper is not None:
            self._outlet.break_off(self._lost)
        return bool(self._lost)

    # Whose turn it is.

    def _turn(self) -> None:
        """Ask for the next request in the queue, or pass on what need not be asked for."""
        if self._turning or self._gone or self._lost:
            return
        self._turning = True
        try:
            while self._queue and self._waiting is None and not self._tunnel and not self._gone:
                keeper, exchange = self._outlet.keeper, self._queue[0]
                if keeper is not None and not self._may_ask(exchange):
                    break
                self._queue.popleft()
                if keeper is None or not exchange.ready:
                    self._send(exchange)
                else:
                    self._ask(exchange, keeper)
        finally:
            self._turning = False
        self._outlet.hold_back(self._kept() > KEPT_BYTES)
        if self._tunnel or self._passing:
            self._catch_up()
        self._pass_end()

    def _pass_end(self) -> None:
        """The client's end comes after all it said, also while the server is busy with it."""
        unsent = self._waiting is not None and not self._waiting.sent
        if self._client_over and not self._end_passed and not self._queue and not unsent:
            self._end_passed = True
            self._outlet.end_to_server()

    def _may_ask(self, exchange: Exchange) -> bool:
        if not exchange.ready and not self._client_over:
            if exchange.expects_continue and not self._awaited:
                exchange.continued = True
                self._outlet.to_client(_CONTINUE)
            return False
        return not self._awaited  # what passed before is answered first

    def _kept(self) -> int:
        waiting = self._waiting.kept() if self._waiting is not None else 0
        return waiting + sum(exchange.kept() for exchange in self._queue)

    def _catch_up(self) -> None:
        """Bytes pass as they come again: so do those of pieces that are not whole yet."""
        if self._requests.size > self._begun:
            self._outlet.to_server(self._requests.rest[self._begun :])
        if self._responses.size > self._told:
            self._outlet.to_client(self._responses.rest[self._told :])
        self._begun, self._told = self._requests.size, self._responses.size

    def _ask(self, exchange: Exchange, keeper: Gatekeeper) -> None:
        self._shown = True
        exchange.held = HeldBoundary(exchange.boundary(self._outlet), self)
        self._waiting = exchange
        keeper.asks(exchange.held)

    def _send(self, exchange: Exchange) -> None:
        """Send what there is of it, on a connection that the server has not given up."""
        idle = self._clock() - self._last_heard > _IDLE_S
        if not self._awaited and (self._server_over or idle):
            self._outlet.reconnect()
            self._responses = Scanner(responses=True, body_of=self._response_body)
            self._told = 0
            self._server_over = False
        self._swallows += exchange.continued
        self._awaited.append(exchange)
        self._outlet.to_server(exchange.take())

    # What a keeper decides: `harness.wire.holding.Holder`.

    def send(self, held: HeldBoundary) -> None:
        """Send it to the server."""
        self._send(self._of(held))
        self._outlet.hold_back(False)
        self._pass_end()

    def refuse(self, held: HeldBoundary, code: str, message: str) -> None:
        """Answer it here; the server never sees it."""
        exchange = self._of(held)
        answer = refusal(exchange.head.method, code, message, last=not exchange.whole)
        self._outlet.to_client(answer)
        if not exchange.whole:
            self._outlet.close()
        self._finish()

    def deliver(self, held: HeldBoundary, pieces: int, pause_s: float) -> None:
        """Write what there is of the answer; the rest streams."""
        exchange = self._of(held)
        answer = exchange.take_answer()
        if pieces == 1 or len(answer) < 2:
            self._outlet.to_client(answer)
            self._delivered(exchange)
        else:
            done: list[bool] = []

            def delivered() -> None:
                done.append(True)
                self._delivered(exchange)

            hurry = trickle(self._outlet, answer, pieces, pause_s, delivered)
            exchange.hurry = None if done else hurry

    def _delivered(self, exchange: Exchange) -> None:
        exchange.hurry = None
        exchange.streams = True
        self._outlet.to_client(exchange.take_answer())
        if exchange.answer_whole and exchange is self._waiting:
            self._finish()
        elif self._server_over:
            self._outlet.end_to_client()

    def lose(self, held: HeldBoundary) -> None:
        """Reset instead."""
        self._outlet.reset()

    def reset(self, held: HeldBoundary) -> None:
        """Reset; the server never saw it."""
        self._outlet.reset()

    def _of(self, held: HeldBoundary) -> Exchange:
        waiting = self._waiting
        assert waiting is not None, "a decided boundary is the one that waits"
        assert waiting.held is held, "a decided boundary is the one that waits"
        return waiting

    def _finish(self) -> None:
        """The held exchange is over with: go on with what came behind it."""
        finished, self._waiting = self._waiting, None
        for piece in self._behind:
            self._outlet.to_client(piece)
        self._behind.clear()
        if finished is not None and finished.closes:
            self._queue.clear()
        if self._server_over and not self._queue:
            self._outlet.end_to_client()
        self._turn()
