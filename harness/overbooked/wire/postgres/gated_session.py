"""A PostgreSQL session at the gate, from after its startup message to its end.

Without a keeper, bytes are forwarded as they arrive and `Conversation` tracks the state. With a keeper, the
client's messages are queued in groups. A group that executes nothing is sent immediately; groups that execute
something are held one at a time, and the answer is collected until it is complete. Messages in progress when
the keeper changes are completed in the mode in which they began.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from overbooked.errors import NotSupported
from overbooked.wire.gate.boundary import CommitKeeper, Reply
from overbooked.wire.gate.held import ConnectionHolds, HeldBoundary, HoldState
from overbooked.wire.gate.session import Outlet, ProtocolError, Timer
from overbooked.wire.postgres import messages as m
from overbooked.wire.postgres.answer import Answers, reply_of
from overbooked.wire.postgres.answer_stream import AnswerStream
from overbooked.wire.postgres.autocommit import ROLLBACK, TERMINATE, Wrapped, parted_by
from overbooked.wire.postgres.grouping import GroupInfo, Message, Where, boundary, ending, inspect_group
from overbooked.wire.postgres.injection import InjectionStep, close, inject
from overbooked.wire.postgres.intake import ENDS_COPY, Intake
from overbooked.wire.postgres.startup import GAVE_UP_LINE

_QUEUED_BYTES = 1024 * 1024
_AT_THE_SERVER = frozenset({HoldState.SENT, HoldState.FAILED})
_NOT_SENT = frozenset({HoldState.ASKED, HoldState.STALLED})
# A client writes the messages of a group without pauses; after this time without data, it is waiting for the
# answers to the messages so far.
_SILENCE_S = 0.2
_CANCELLED = ("57014", "canceling statement due to user request")
_FLUSH = Message(m.FLUSH, None, m.message(m.FLUSH))


class GatedSession(Intake):
    """One gated session; satisfies `Session` and `Holder` of `overbooked.wire.gate`."""

    def __init__(self, outlet: Outlet) -> None:
        super().__init__(outlet)
        self._over = False
        self._client_over = False
        self._server_over = False
        self._holding_back = False
        self._silence: Timer | None = None  # runs while a group is incomplete and no answer is due
        # -- from the server
        self._answers = Answers(outlet, self._delivered)
        self._server = AnswerStream(outlet, self.state, self._answers)
        # -- the boundary that is held
        self._holds = ConnectionHolds(outlet, self)
        self._group: list[Message] = []
        self._meaning: GroupInfo | None = None
        self._injections = 0
        self._to_close: list[bytes] = []
        self._part_follows = False  # the commit of its transaction is the next boundary
        self._failed: Reply | None = (
            None  # the failed statement's reply, while its transaction is rolled back
        )
        self._ending = False  # the boundary is the end of the session

    # -- what is read ---------------------------------------------------------------------------

    def from_client(self, data: bytes) -> None:
        """See `Session`."""
        if self._holds.lost:
            self._outlet.to_server(data)
            return
        try:
            self._from_client(data)
        except ProtocolError as error:
            self._lose(error)

    def from_server(self, data: bytes) -> None:
        """See `Session`."""
        if self._holds.lost:
            self._outlet.to_client(data)
            return
        try:
            if self._server.take(data):
                self._look_whether_answered()
            if not self.state.due and not self._over:
                self._pump()
        except ProtocolError as error:
            self._lose(error)

    def client_ended(self) -> None:
        """See `Session`."""
        self._client_over = True
        self._wait_for_rest(False)
        if self._server.asks_password:
            self._outlet.break_off(GAVE_UP_LINE)
        elif self._ending:
            if self._server_over and self._holds.held is None:
                self._outlet.end_to_server()
        elif self._holds.turn not in {None, *_AT_THE_SERVER}:
            self._outlet.close()
        elif not self._asks_for_end():
            # Queued messages are dropped: the session ends now and its locks are released.
            for message in self._queue.drop():
                self._outlet.to_server(message.raw)
            self._outlet.end_to_server()

    def server_ended(self) -> None:
        """See `Session`."""
        self._server_over = True
        if self._ending and self._holds.turn is HoldState.SENT:
            self._holds.answered(Reply(""))
        elif self._holds.turn in _AT_THE_SERVER | _NOT_SENT:
            self._answers.flush()  # the part that has arrived; the server sends no more
            self._server.catch_up()
            self._outlet.end_to_client()
        elif not self._answers.waiting:
            self._outlet.end_to_client()

    def over(self) -> None:
        """See `Session`."""
        self._over = True
        self._wait_for_rest(False)
        held = self._holds.held
        if held is not None and self.state.fatal and held.reply is None:
            held.ended(reply_of(self.state, 0))
        self._holds.over()

    def gate_changed(self) -> None:
        """See `Session`."""
        if self._holds.is_lost():
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

    def _lose(self, error: ProtocolError) -> None:
        """Stop parsing the session after a protocol error."""
        self._holds.lose(str(error), harmless=self._passing and self._server.plain)

    # -- the client's side ----------------------------------------------------------------------

    def cancel(self, pid: int, key: bytes) -> bool:
        """Handle a CancelRequest; return whether it is for this session and needs no forwarding."""
        if self.state.pid != pid or self.state.key != key:
            return False
        held = self._holds.held
        if self._answers.kept or self._ending:
            return True  # the statement has been executed already
        if held is None:
            # The gate's own statements must not be cancelled; the client's have been answered.
            return self.state.ours > 0
        if held.turn in _NOT_SENT:
            try:
                self.refuse(held, *_CANCELLED)
            except NotSupported:
                return True  # e.g. a ROLLBACK, which ends before a cancellation arrives
            held.cancelled, held.turn = True, HoldState.FAILED
            return True
        return (
            held.turn is not HoldState.SENT
        )  # if sent, it is being executed and the server needs the request

    # -- the queue ------------------------------------------------------------------------------

    @property
    def _busy(self) -> bool:
        return self._holds.held is not None or self._answers.waiting

    def _pump(self) -> None:
        """Send groups that execute nothing, and hold the next group that executes something."""
        self._tidy()
        if self._passing:
            return
        try:
            self._next_groups()
        except ProtocolError as error:  # caught here because a keeper's decision may be the caller
            self._outlet.break_off(str(error))
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
            means = inspect_group(group, state)
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
        """Hold the end of a session that was closed without Terminate, if the keeper holds ends."""
        state = self.state
        if not self._orders_ends or self._ending or self._busy or state.due or state.copying_in:
            return False
        self._queue.drop()  # an incomplete group is never executed
        self._ending = True
        self._hold([TERMINATE], ending())
        return True

    def _wait_for_rest(self, waits: bool) -> None:
        """Start or cancel the timer for a group that the client has not completed."""
        if self._silence is not None:
            self._silence.cancel()
            self._silence = None
        if waits:
            self._silence = self._outlet.later(_SILENCE_S, self._take_what_there_is)

    def _take_what_there_is(self) -> None:
        """Complete the group of a client that waits for the answers to its messages so far."""
        self._silence = None
        # The server buffers its answers until Sync or Flush, and the held answer must be complete.
        self._queue.put(_FLUSH)
        self._pump()

    def _send_steps(self, steps: Sequence[InjectionStep]) -> None:
        for message, ours in steps:
            self.state.sent(message.kind, message.body, ours=ours)
        self._outlet.to_server(b"".join([step.message.raw for step in steps]))

    def _tidy(self) -> None:
        """Close the statements of an injection when the gate's Sync has no other effect."""
        state = self.state
        if not self._to_close or state.due or state.skipping or state.implicit or self._over:
            return
        if not self._passing or not (self._mid_group or self._client.open):
            names, self._to_close = self._to_close, []
            self._send_steps(close(names))

    def _hold(self, group: list[Message], means: GroupInfo) -> None:
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
            # The COPY may fail at the server before its end arrives there; that error is the answer.
            self._answers.collect()
        self._holds.ask(asked)

    def _look_whether_answered(self) -> None:
        """Check whether the held answer is complete."""
        whole = (not self.state.due or self.state.copying_in) and not self._ending
        if self._holds.turn not in _AT_THE_SERVER or not whole:
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
        if not self._holds.answered(reply):
            self._holds.held = None
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
                self._holds.answered(Reply(""))  # the server has closed the session already
        elif not self.state.due:
            self._look_whether_answered()  # after a failed COPY, the server ignores the end of its data

    def refuse(self, held: HeldBoundary, code: str, message: str) -> None:
        """See `Holder`."""
        assert self._meaning is not None
        if self._group[0].kind in ENDS_COPY and not self.state.copying_in:
            raise NotSupported("the COPY has already failed: release the end of its data")
        if self._ending or (self._server.wrapped is not None and self._server.wrapped.at_commit):
            raise NotSupported("the end of a session, or of a transaction of the gate's own, cannot fail")
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
        self._holds.held = None
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
                "its effect is complete only at the Sync that follows: lose the answer to that one"
            )
        self._holds.held = None
        self._outlet.reset()

    def reset(self, held: HeldBoundary) -> None:
        """See `Holder`."""
        self._holds.held = None
        self._outlet.reset()

    def _unpart(self, wrapped: Wrapped | None) -> None:
        """Drop the gate's own COMMIT, because the complete group has failed."""
        self._server.wrapped = wrapped
        if self._queue.drop_ours():
            self._part_follows = False

    def _let_go(self) -> None:
        """Send the held group and deliver the held answer, because the keeper was removed."""
        stood = self._holds.dismissed()
        self._ending = self._part_follows = False
        if stood in _NOT_SENT:
            self._send(self._group)
        self._answers.flush()
        self._server.catch_up()
        if self._server_over:
            self._outlet.end_to_client()
