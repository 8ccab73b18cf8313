"""A PostgreSQL session at the gate, from behind its startup message to its end.

With no keeper, bytes go on as they come and `Conversation` follows. With one, the client's messages queue
in groups: what executes nothing goes on at once, what executes is held, one group at a time, its answer
collected until it is whole. What is under way when the keeper changes goes on as it began.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from harness.errors import NotSupported
from harness.wire.holding import HeldBoundary, Turn
from harness.wire.postgres import messages as m
from harness.wire.postgres.answer import Answers, reply_of
from harness.wire.postgres.conversation import Conversation
from harness.wire.postgres.framing import Framed, Framer
from harness.wire.postgres.grouping import Meaning, Message, Queue, boundary, meaning
from harness.wire.postgres.injection import Step, close, inject
from harness.wire.postgres.messages import Violation
from harness.wire.postgres.startup import BINDING_LINE, GAVE_UP_LINE
from harness.wire.session import Outlet

log = logging.getLogger(__name__)

_QUEUED_BYTES = 1024 * 1024
_CANCELLED = ("57014", "canceling statement due to user request")
_ENDS_GROUP = frozenset({m.SYNC, m.FLUSH, m.QUERY, m.CALL, m.TERMINATE, m.COPY_DATA, m.PASSWORD})
_SASL = b"\0\0\0\x0a"


class GatedSession:
    """Follows one session; satisfies `harness.wire.session.Session` and `holding.Holder`."""

    def __init__(self, outlet: Outlet) -> None:
        self._outlet = outlet
        self._offered_sasl = False
        self._over = False
        self._lost = ""  # why this session is not followed any more
        self._client_over = False
        self._server_over = False
        self.state = Conversation()
        # -- from the client
        self._client = Framer("client", known=m.CLIENT_KNOWN, kept=m.CLIENT_KEPT)
        self._queue = Queue()
        self._cut_short: list[bytes] = []  # of a client's message that is not whole
        self._passing = outlet.keeper is None  # messages go on as they come
        self._mid_group = False  # and a group has begun to
        self._holding_back = False
        # -- from the server
        self._server = Framer("server", known=m.SERVER_KNOWN, kept=m.SERVER_KEPT, skipped=m.SERVER_ROWS)
        self._server_short: list[bytes] = []
        # -- the boundary that is held
        self._held: HeldBoundary | None = None
        self._group: list[Message] = []
        self._meaning: Meaning | None = None
        self._seen = False  # a keeper has been asked about this connection
        self._answers = Answers(outlet, self._delivered)
        self._rewritten: tuple[str, str] | None = None
        self._injections = 0
        self._to_close: list[bytes] = []

    # -- what is read ---------------------------------------------------------------------------

    def from_client(self, data: bytes) -> None:
        """See `Session`."""
        if self._lost:
            self._outlet.to_server(data)
            return
        try:
            self._from_client(data)
        except Violation as violation:
            self._lose(violation)

    def from_server(self, data: bytes) -> None:
        """See `Session`."""
        if self._lost:
            self._outlet.to_client(data)
            return
        try:
            if self._answers.waiting or self.state.ours or self._server_short or self._rewritten:
                self._from_server_closely(data)
            else:
                self._from_server_plainly(data)
            if not self.state.due and not self._over:
                self._pump()
        except Violation as violation:
            self._lose(violation)

    def client_ended(self) -> None:
        """See `Session`."""
        self._client_over = True
        held = self._held
        if self._offered_sasl:
            self._outlet.break_off(GAVE_UP_LINE)
        elif held is not None and held.turn not in {Turn.SENT, Turn.FAILED}:
            self._outlet.close()
        elif not self._queue:
            self._outlet.end_to_server()

    def server_ended(self) -> None:
        """See `Session`."""
        self._server_over = True
        held = self._held
        if held is not None and held.turn in {Turn.SENT, Turn.FAILED}:
            self._answers.flush()  # as much as there is: no more will come
            self._outlet.end_to_client()
        elif not self._answers.waiting:
            self._outlet.end_to_client()

    def over(self) -> None:
        """See `Session`."""
        self._over = True
        keeper = self._outlet.keeper
        held, self._held = self._held, None
        if held is not None and self.state.fatal and held.reply is None:
            held.ended(reply_of(self.state, 0))
        if keeper is not None and self._seen:
            keeper.closed(self._outlet.link, self._outlet.connection, held)
        if held is not None:
            held.release()

    def gate_changed(self) -> None:
        """See `Session`."""
        if self._lost:
            if self._outlet.keeper is not None:
                self._outlet.break_off(self._lost)
            return
        self._let_go()
        self._seen = False  # by the new one
        if self._outlet.keeper is None:
            self._pass_queue()
            self._passing = True
        elif not self._mid_group and not self._client.open:
            self._passing = False
            self._pump()

    def _lose(self, violation: Violation) -> None:
        """We cannot follow. Told to the keeper; where there is none and every byte has gone on as it
        came, it may go on so unseen, and the next keeper is told."""
        clear = self._passing and not (self._answers.waiting or self.state.ours or self._rewritten)
        if self._outlet.keeper is None and clear and not self._server_short:
            self._lost = str(violation)
            log.warning("%s passes unseen: %s", self._outlet.link, violation)
        else:
            self._outlet.break_off(str(violation))

    # -- the client's side ----------------------------------------------------------------------

    def cancel(self, pid: int, key: bytes) -> bool:
        """A CancelRequest has come; True if it was for this session and is dealt with here."""
        if self.state.pid != pid or self.state.key != key:
            return False
        held = self._held
        if held is None:
            # Ours must not be hit; what the client asked has been answered by then.
            return self.state.ours > 0
        if held.turn in {Turn.ASKED, Turn.STALLED}:
            try:
                self.refuse(held, *_CANCELLED)
            except NotSupported:
                return True  # a ROLLBACK, say: it would be over before a server heard of it
            held.cancelled, held.turn = True, Turn.FAILED
            return True
        return held.turn is not Turn.SENT  # else it runs, and the server has to hear of it

    def _from_client(self, data: bytes) -> None:
        if self._passing and self._outlet.keeper is None:
            self._outlet.to_server(data)
            framed = self._client.feed(data)
            for kind, _, body in framed:
                if kind == m.PASSWORD:
                    self._password(body or b"")
                else:
                    self._mid_group = not self._ends_group(kind)
                    self.state.sent(kind, body)
            return
        framed = self._client.feed(data)
        at = 0
        if self._passing:
            at = self._pass_rest_of_group(data, framed)
        for kind, end, body in framed:
            if end <= at:
                continue
            raw = data[at:end]
            if self._cut_short:
                raw = b"".join([*self._cut_short, raw])
                self._cut_short.clear()
            at = end
            if kind == m.PASSWORD:
                self._password(body or b"")
                self._outlet.to_server(raw)
            else:
                self._queue.put(Message(kind, body, raw))
        if at < len(data) and not self._passing:
            self._cut_short.append(data[at:])
        self._pump()

    def _ends_group(self, kind: int) -> bool:
        if kind in {m.COPY_DONE, m.COPY_FAIL}:
            return not self.state.due or self.state.due[0].kind == m.QUERY
        return kind in _ENDS_GROUP

    def _pass_rest_of_group(self, data: bytes, framed: list[Framed]) -> int:
        """A keeper has come in the middle of a group: pass on up to the group's end; from there on hold."""
        for kind, end, body in framed:
            ends = self._ends_group(kind)
            if kind == m.PASSWORD:
                self._password(body or b"")
            else:
                self.state.sent(kind, body)
            if ends:
                self._outlet.to_server(data[:end])
                self._passing = self._mid_group = False
                return end
        self._outlet.to_server(data)
        return len(data)

    def _password(self, body: bytes) -> None:
        self._offered_sasl = False
        if body.startswith(b"SCRAM-SHA-256-PLUS\0"):
            raise Violation(BINDING_LINE)

    # -- the queue ------------------------------------------------------------------------------

    @property
    def _busy(self) -> bool:
        return self._held is not None or self._answers.waiting

    def _pump(self) -> None:
        """Pass on what executes nothing and hold the next group that does."""
        self._tidy()
        if self._passing:
            return
        try:
            self._next_groups()
        except Violation as violation:  # also called from a keeper's decision, who is not to blame
            self._outlet.break_off(str(violation))
            return
        if self._client_over and not self._queue and not self._busy and not self.state.due:
            self._outlet.end_to_server()
        waits = self._queue.size_bytes > _QUEUED_BYTES and (self._busy or bool(self.state.due))
        if waits != self._holding_back and not self._over:
            self._holding_back = waits
            self._outlet.hold_back(waits)

    def _next_groups(self) -> None:
        state = self.state
        while not self._busy and not self._over and (not state.due or state.copying_in):
            simple = bool(state.due) and state.due[0].kind == m.QUERY
            group = self._queue.take(copying_in=state.copying_in, copying_simple=simple)
            if not group:
                break
            means = meaning(group, state)
            if means is None:
                self._send(group)
            else:
                self._hold(group, means)

    def _send(self, group: Sequence[Message]) -> None:
        for message in group:
            self.state.sent(message.kind, message.body)
        self._outlet.to_server(b"".join([message.raw for message in group]))

    def _send_steps(self, steps: Sequence[Step]) -> None:
        for message, ours in steps:
            self.state.sent(message.kind, message.body, ours=ours)
        self._outlet.to_server(b"".join([step.message.raw for step in steps]))

    def _tidy(self) -> None:
        """Close the statements of an injection where a Sync of ours does nothing else."""
        state = self.state
        if not self._to_close or state.due or state.skipping or state.implicit or self._over:
            return
        if not self._passing or not (self._mid_group or self._client.open):
            names, self._to_close = self._to_close, []
            self._send_steps(close(names))

    def _hold(self, group: list[Message], means: Meaning) -> None:
        keeper = self._outlet.keeper
        if keeper is None:
            self._send(group)
            return
        self._group, self._meaning, self._seen = group, means, True
        held = self._held = HeldBoundary(
            boundary(
                means,
                group,
                self.state,
                link=self._outlet.link,
                connection=self._outlet.connection,
                ordinal=self._outlet.next_ordinal(),
            ),
            self,
        )
        keeper.asks(held)

    def _pass_queue(self) -> None:
        """Send everything that waits, whole groups or not, and what there is of the open message."""
        rest = self._queue.take_all()
        if rest:
            self._send(rest)
            self._mid_group = not self._ends_group(rest[-1].kind)
        if self._cut_short:
            self._outlet.to_server(b"".join(self._cut_short))
            self._cut_short.clear()
        if self._client_over:
            self._outlet.end_to_server()
        if self._holding_back:
            self._holding_back = False
            self._outlet.hold_back(False)

    # -- the server's side ----------------------------------------------------------------------

    def _from_server_plainly(self, data: bytes) -> None:
        self._outlet.to_client(data)
        for kind, _, body in self._server.feed(data):
            self._received(kind, body)

    def _from_server_closely(self, data: bytes) -> None:
        """Message by message: some answer the gate, one ends the answer that is held.

        Rows are not told of by the framer; one that answers the gate, or an error to rewrite, never
        follows a row directly, so `at` is where it begins.
        """
        run = at = 0  # where the bytes begin that are the client's and not put yet; the next message
        for kind, end, body in self._server.feed(data):
            ours = self._received(kind, body)
            rewritten = kind == m.ERROR and self._rewritten is not None
            if ours or rewritten:
                if at:
                    self._put(data, run, at)
                self._server_short.clear()  # this message's own beginning
                run = end
            if rewritten:
                self._rewrite(body or b"")
            at = end
        at = self._server.begun  # rows are not told of
        if at:
            self._put(data, run, at)
        if at < len(data):
            self._server_short.append(data[at:])
        held = self._held
        whole = not self.state.due or self.state.copying_in
        if held is not None and held.turn in {Turn.SENT, Turn.FAILED} and whole:
            self._answered(held)

    def _put(self, data: bytes, run: int, end: int) -> None:
        if self._server_short:
            self._answers.put(b"".join(self._server_short))
            self._server_short.clear()
        if end > run:
            self._answers.put(data[run:end])

    def _rewrite(self, body: bytes) -> None:
        assert self._rewritten is not None
        code, text = self._rewritten
        self._rewritten = None
        self.state.error, self.state.error_text = code, text
        self._answers.put(m.message(m.ERROR, m.with_error(body, code, text)))

    def _received(self, kind: int, body: bytes | None) -> bool:
        if kind == m.AUTHENTICATION:
            self._offered_sasl = (body or b"")[:4] == _SASL
        return self.state.received(kind, body)

    def _answered(self, held: HeldBoundary) -> None:
        held.answered(reply_of(self.state, self._answers.size_bytes))
        if held.turn is Turn.ANSWERED:
            keeper = self._outlet.keeper
            assert keeper is not None
            keeper.answers(held)
        else:
            self._held = None
            self._answers.deliver()

    def _delivered(self) -> None:
        if self._server_over:
            self._outlet.end_to_client()
        elif not self._over and (not self.state.due or self.state.copying_in):
            self._pump()

    # -- what a keeper decides (Holder) ---------------------------------------------------------

    def send(self, held: HeldBoundary) -> None:
        """See `Holder`."""
        self._answers.collect()
        self._send(self._group)

    def refuse(self, held: HeldBoundary, code: str, message: str) -> None:
        """See `Holder`."""
        assert self._meaning is not None
        self._injections += 1
        injection = inject(
            self._group, self._meaning, self.state, code=code, text=message, number=self._injections
        )
        self._rewritten = injection.rewritten
        self._to_close += injection.statements
        self._answers.collect()
        self._send_steps(injection.steps)

    def deliver(self, held: HeldBoundary, pieces: int, pause_s: float) -> None:
        """See `Holder`."""
        self._held = None
        self._answers.deliver(1 if self._client_over else pieces, pause_s)

    def lose(self, held: HeldBoundary) -> None:
        """See `Holder`."""
        if self.state.implicit:
            raise NotSupported(
                "its effect is complete at the Sync that follows, not yet here: lose that one's answer"
            )
        self._held = None
        self._outlet.reset()

    def reset(self, held: HeldBoundary) -> None:
        """See `Holder`."""
        self._held = None
        self._outlet.reset()

    def _let_go(self) -> None:
        """The keeper has gone: what it held goes on, what it had answered is delivered."""
        held, self._held = self._held, None
        stood = held.release() if held is not None else None
        if stood in {Turn.ASKED, Turn.STALLED}:
            self._send(self._group)
        else:
            self._answers.flush()
            if self._server_over:
                self._outlet.end_to_client()
