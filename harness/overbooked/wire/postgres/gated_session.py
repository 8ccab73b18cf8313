"""A PostgreSQL session at the gate, from behind its startup message to its end.

With no keeper, bytes go on as they come and `Conversation` follows. With one, the client's messages queue
in groups: what executes nothing goes on at once, what executes is held, one group at a time, its answer
collected until it is whole. What is under way when the keeper changes goes on as it began.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from overbooked.errors import NotSupported
from overbooked.wire.gate.boundary import CommitKeeper, Reply
from overbooked.wire.gate.held import Dealings, HeldBoundary, Turn
from overbooked.wire.gate.session import Outlet, Timer
from overbooked.wire.postgres import messages as m
from overbooked.wire.postgres.answer import Answers, reply_of
from overbooked.wire.postgres.answer_stream import Answering
from overbooked.wire.postgres.autocommit import ROLLBACK, TERMINATE, Wrapped, parted_by
from overbooked.wire.postgres.grouping import Meaning, Message, Where, boundary, ending, meaning
from overbooked.wire.postgres.injection import Step, close, inject
from overbooked.wire.postgres.intake import ENDS_COPY, Intake
from overbooked.wire.postgres.messages import Violation
from overbooked.wire.postgres.startup import GAVE_UP_LINE

_QUEUED_BYTES = 1024 * 1024
_AT_THE_SERVER = frozenset({Turn.SENT, Turn.FAILED})
_NOT_SENT = frozenset({Turn.ASKED, Turn.STALLED})
# A client writes the messages of one group in one go; where it writes nothing for so long it waits for
# what the server answers to those that it has written.
_SILENCE_S = 0.2
_CANCELLED = ("57014", "canceling statement due to user request")
_FLUSH = Message(m.FLUSH, None, m.message(m.FLUSH))


class GatedSession(Intake):
    """Follows one session; satisfies `overbooked.wire.gate.session.Session` and `holding.Holder`."""

    def __init__(self, outlet: Outlet) -> None:
        super().__init__(outlet)
        self._over = False
        self._client_over = False
        self._server_over = False
        self._holding_back = False
        self._silence: Timer | None = None  # a group is not whole, and nothing else has to come first
        # -- from the server
        self._answers = Answers(outlet, self._delivered)
        self._server = Answering(outlet, self.state, self._answers)
        # -- the boundary that is held
        self._dealings = Dealings(outlet, self)
        self._group: list[Message] = []
        self._meaning: Meaning | None = None
        self._injections = 0
        self._to_close: list[bytes] = []
        self._part_follows = False  # and the end of its transaction is the next boundary
        self._failed: Reply | None = None  # what it was answered, while its transaction is rolled back
        self._ending = False  # it is the end of the session

    # -- what is read ---------------------------------------------------------------------------

    def from_client(self, data: bytes) -> None:
        """See `Session`."""
        if self._dealings.lost:
            self._outlet.to_server(data)
            return
        try:
            self._from_client(data)
        except Violation as violation:
            self._lose(violation)

    def from_server(self, data: bytes) -> None:
        """See `Session`."""
        if self._dealings.lost:
            self._outlet.to_client(data)
            return
        try:
            if self._server.take(data):
                self._look_whether_answered()
            if not self.state.due and not self._over:
                self._pump()
        except Violation as violation:
            self._lose(violation)

    def client_ended(self) -> None:
        """See `Session`."""
        self._client_over = True
        self._wait_for_rest(False)
        if self._server.asks_password:
            self._outlet.break_off(GAVE_UP_LINE)
        elif self._ending:
            if self._server_over and self._dealings.held is None:
                self._outlet.end_to_server()
        elif self._dealings.turn not in {None, *_AT_THE_SERVER}:
            self._outlet.close()
        elif not self._asks_for_end():
            # What waits here never reaches the server: its session ends now, and with it its locks.
            for message in self._queue.drop():
                self._outlet.to_server(message.raw)
            self._outlet.end_to_server()

    def server_ended(self) -> None:
        """See `Session`."""
        self._server_over = True
        if self._ending and self._dealings.turn is Turn.SENT:
            self._dealings.answered(Reply(""))
        elif self._dealings.turn in _AT_THE_SERVER | _NOT_SENT:
            self._answers.flush()  # as much as there is: no more will come
            self._server.catch_up()
            self._outlet.end_to_client()
        elif not self._answers.waiting:
            self._outlet.end_to_client()

    def over(self) -> None:
        """See `Session`."""
        self._over = True
        self._wait_for_rest(False)
        held = self._dealings.held
        if held is not None and self.state.fatal and held.reply is None:
            held.ended(reply_of(self.state, 0))
        self._dealings.over()

    def gate_changed(self) -> None:
        """See `Session`."""
        if self._dealings.is_lost():
            return
        self._let_go()
        if self._outlet.keeper is None:
            self._wait_for_rest(False)
            self._pass_queue()
            self._hold_back(False)
            self._passing = True
        elif not self._mid_group and not self._client.open:
            self._passing = False
            self._pump()

    def _lose(self, violation: Violation) -> None:
        """We cannot follow."""
        self._dealings.lose(str(violation), harmless=self._passing and self._server.plain)

    # -- the client's side ----------------------------------------------------------------------

    def cancel(self, pid: int, key: bytes) -> bool:
        """A CancelRequest has come; True if it was for this session and is dealt with here."""
        if self.state.pid != pid or self.state.key != key:
            return False
        held = self._dealings.held
        if self._answers.kept or self._ending:
            return True  # what the client would have ended has been done
        if held is None:
            # Ours must not be hit; what the client asked has been answered by then.
            return self.state.ours > 0
        if held.turn in _NOT_SENT:
            try:
                self.refuse(held, *_CANCELLED)
            except NotSupported:
                return True  # a ROLLBACK, say: it would be over before a server heard of it
            held.cancelled, held.turn = True, Turn.FAILED
            return True
        return held.turn is not Turn.SENT  # else it runs, and the server has to hear of it

    # -- the queue ------------------------------------------------------------------------------

    @property
    def _busy(self) -> bool:
        return self._dealings.held is not None or self._answers.waiting

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
        ready = not self._busy and (not self.state.due or self.state.copying_in)
        self._wait_for_rest(bool(self._queue) and ready and not self._over)
        waits = self._queue.size_bytes > _QUEUED_BYTES and (self._busy or bool(self.state.due))
        if not self._over:
            self._hold_back(waits)

    def _hold_back(self, waits: bool) -> None:
        if waits != self._holding_back:
            self._holding_back = waits
            self._outlet.hold_back(waits)

    def _next_groups(self) -> None:
        state = self.state
        while not self._busy and not self._over and (not state.due or state.copying_in):
            group = self._queue.take(state)
            if not group:
                break
            means = meaning(group, state)
            if means is not None:
                self._hold(group, means)
            elif group[0].kind == m.TERMINATE and self._orders_ends:
                self._ending = True
                self._hold(group, ending())
            else:
                self._send(group)

    @property
    def _orders_ends(self) -> bool:
        keeper = self._outlet.keeper
        return not self._over and isinstance(keeper, CommitKeeper) and keeper.holds_ends

    def _asks_for_end(self) -> bool:
        """The client has gone without a word: its end is the end of the session, where that is held."""
        state = self.state
        if not self._orders_ends or self._ending or self._busy or state.due or state.copying_in:
            return False
        self._queue.drop()  # what has no end is never run
        self._ending = True
        self._hold([TERMINATE], ending())
        return True

    def _wait_for_rest(self, waits: bool) -> None:
        """Whether a group is begun and the client has to go on with it; each call waits anew."""
        if self._silence is not None:
            self._silence.cancel()
            self._silence = None
        if waits:
            self._silence = self._outlet.later(_SILENCE_S, self._take_what_there_is)

    def _take_what_there_is(self) -> None:
        """The client says no more: it wants what the server answers to this much, an error perhaps."""
        self._silence = None
        # The server keeps its answers until Sync or Flush, and ours have to be seen whole.
        self._queue.put(_FLUSH)
        self._pump()

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
        outlet = self._outlet
        where = Where(outlet.link, outlet.connection, outlet.next_ordinal())
        asked = boundary(means, group, self.state, where)
        if isinstance(keeper, CommitKeeper):
            parted = parted_by(keeper, group, means, asked, self.state)
            group, means, asked = parted.group, parted.means, parted.asked
            if parted.rest:
                self._queue.put_back(parted.rest)
                self._server.wrapped, self._part_follows = parted.wrapped, True
        self._group, self._meaning = group, means
        if group[0].kind in ENDS_COPY:
            # The server may fail the COPY before it hears of its end: that error is the answer.
            self._answers.collect()
        self._dealings.ask(asked)

    def _look_whether_answered(self) -> None:
        """Whether the answer that is kept has become whole."""
        whole = (not self.state.due or self.state.copying_in) and not self._ending
        if self._dealings.turn not in _AT_THE_SERVER or not whole:
            return
        reply = reply_of(self.state, self._answers.size_bytes)
        wrapped = self._server.wrapped
        if wrapped is not None and wrapped.needs_rollback and self._failed is None:
            self._unpart(wrapped)
            self._failed = reply
            self._send([ROLLBACK])
            return
        if self._failed is not None:
            reply, self._failed = replace(self._failed, in_transaction=self.state.in_transaction), None
        elif wrapped is None and reply.error:
            self._unpart(None)
        if not self._dealings.answered(reply):
            self._dealings.held = None
            self._answers.deliver()

    def _delivered(self) -> None:
        self._server.catch_up()
        if self._server_over:
            self._outlet.end_to_client()
            if self._ending and self._client_over:
                self._outlet.end_to_server()
        elif not self._over and (not self.state.due or self.state.copying_in):
            self._pump()

    # -- what a keeper decides (Holder) ---------------------------------------------------------

    def send(self, held: HeldBoundary) -> None:
        """See `Holder`."""
        if not self._answers.waiting:
            self._answers.collect()
        self._send(self._group)
        if self._ending:
            if self._server_over:
                self._dealings.answered(Reply(""))  # it has ended by itself
        elif not self.state.due:
            self._look_whether_answered()  # a COPY that has failed: the server ignores its end

    def refuse(self, held: HeldBoundary, code: str, message: str) -> None:
        """See `Holder`."""
        assert self._meaning is not None
        if self._group[0].kind in ENDS_COPY and not self.state.copying_in:
            raise NotSupported("the COPY has failed by itself: let the end of its data go")
        if self._ending or (self._server.wrapped is not None and self._server.wrapped.at_commit):
            raise NotSupported("the end of a session, or of a transaction of the gate's own, does not fail")
        self._unpart(None)
        self._injections += 1
        injection = inject(
            self._group, self._meaning, self.state, code=code, text=message, number=self._injections
        )
        self._server.rewrite(injection.rewritten)
        self._to_close += injection.statements
        if not self._answers.waiting:
            self._answers.collect()
        self._send_steps(injection.steps)

    def deliver(self, held: HeldBoundary, pieces: int, pause_s: float) -> None:
        """See `Holder`."""
        self._dealings.held = None
        follows, self._part_follows = self._part_follows, False
        if follows and self._queue and not self.state.copying_in:
            self._answers.keep()
            self._pump()
            return
        self._answers.deliver(1 if self._client_over else pieces, pause_s)

    def lose(self, held: HeldBoundary) -> None:
        """See `Holder`."""
        if self.state.implicit or self._server.wrapped is not None:
            raise NotSupported(
                "its effect is complete at the Sync that follows, not yet here: lose that one's answer"
            )
        self._dealings.held = None
        self._outlet.reset()

    def reset(self, held: HeldBoundary) -> None:
        """See `Holder`."""
        self._dealings.held = None
        self._outlet.reset()

    def _unpart(self, wrapped: Wrapped | None) -> None:
        """The group has failed as a whole: a COMMIT of the gate's own is not needed any more."""
        self._server.wrapped = wrapped
        if self._queue.drop_ours():
            self._part_follows = False

    def _let_go(self) -> None:
        """The keeper has gone: what it held goes on, what it had answered is delivered."""
        stood = self._dealings.dismissed()
        self._ending = self._part_follows = False
        if stood in _NOT_SENT:
            self._send(self._group)
        self._answers.flush()
        self._server.catch_up()
        if self._server_over:
            self._outlet.end_to_client()
