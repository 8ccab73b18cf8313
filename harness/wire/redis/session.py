"""One Redis connection at the gate; satisfies `harness.wire.session.Session`.

Without a keeper bytes go on as they come and the state is followed. With one each command is held by
itself, also in a pipeline: the next asks once the one before was answered and delivered, so that what
is known of it (within MULTI?) is true. Greetings (HELLO, AUTH, CLIENT SETNAME ...) pass unheld.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable

from harness.wire.boundary import Boundary, Gatekeeper, WireProtocol
from harness.wire.holding import HeldBoundary, Turn, trickle
from harness.wire.redis.commands import greets, name_of, verb_of
from harness.wire.redis.following import Expected, Following
from harness.wire.redis.refusing import Refusal, encoded, refusal
from harness.wire.redis.reply import reply_of
from harness.wire.redis.resp import Command, CommandScanner, ValueScanner, Violation
from harness.wire.redis.shape import decoded, shape_of, text_of
from harness.wire.session import Outlet

log = logging.getLogger(__name__)

_QUEUE_LIMIT_BYTES = 1024 * 1024
_NOT_SENT = frozenset({Turn.ASKED, Turn.STALLED})
_ANSWERING = frozenset({Turn.ANSWERED, Turn.DONE})


class Waiting:
    """The command that is held: itself, its answer, and what may be told instead of that."""

    __slots__ = ("command", "expected", "held", "hurry", "refusal")

    def __init__(self, command: Command, held: HeldBoundary) -> None:
        self.command = command
        self.held = held
        self.expected: Expected | None = None  # once it was sent
        self.refusal: Refusal | None = None
        self.hurry: Callable[[], None] | None = None  # ends a trickle at once


class RedisSession:
    """Follows, holds and fails the commands of one connection."""

    def __init__(self, outlet: Outlet) -> None:
        self._outlet = outlet
        self._commands = CommandScanner()
        self._values = ValueScanner()
        self._state = Following()
        self._fresh = True
        self._queue: deque[Command] = deque()  # whole commands that wait for their turn
        self._queued_bytes = 0
        self._begun = 0  # bytes of the command now coming that the server already has
        self._told = 0  # bytes of the value now coming that the client already has
        self._waiting: Waiting | None = None
        self._behind: list[bytes] = []  # what the server said after an answer that waits
        self._turning = False
        self._shown = False  # the keeper has seen this connection
        self._lost = ""  # why it is not followed any more
        self._gone = self._client_over = self._server_over = self._end_passed = False

    @property
    def _passing(self) -> bool:
        return self._waiting is None and not self._queue and self._outlet.keeper is None

    # What comes in.

    def from_client(self, data: bytes) -> None:
        """Pass it on, or queue the commands that it completes."""
        if self._state.raw or self._is_lost():
            self._outlet.to_server(data)
            return
        passing = self._passing
        if passing:
            self._outlet.to_server(data)
        try:
            for command in self._commands.feed(data):
                if passing:
                    self._note_sent(command)
                elif self._begun:
                    self._outlet.to_server(command.raw[self._begun :])
                    self._begun = 0
                    self._note_sent(command)
                else:
                    self._queue.append(command)
                    self._queued_bytes += len(command.raw)
        except Violation as violation:
            self._lose(f"a client speaks no Redis on {self._outlet.link}: {violation}", passing=passing)
            return
        if passing:
            self._begun = self._commands.size
        else:
            self._turn()

    def from_server(self, data: bytes) -> None:
        """Pass it on, or keep what answers the held command."""
        if self._state.raw or self._is_lost():
            self._outlet.to_client(data)
            return
        passing = self._passing
        if passing:
            self._outlet.to_client(data)
        try:
            for value in self._values.feed(data):
                answered = self._state.received(value)
                if not passing:
                    piece = value[self._told :]
                    self._told = 0
                    self._take(answered, piece)
                if self._state.raw or self._gone:
                    break
        except Violation as violation:
            self._lose(f"the server speaks no Redis on {self._outlet.link}: {violation}", passing=passing)
            return
        if passing:
            self._told = self._values.size
        else:
            self._turn()

    def _take(self, answered: Expected | None, piece: bytes) -> None:
        """A value that answers the held command is kept, and what comes behind it; others go on."""
        waiting = self._waiting
        if waiting is None or waiting.expected is None:
            self._outlet.to_client(piece)
        elif answered is waiting.expected or (waiting.expected.parts and waiting.expected.left):
            waiting.expected.parts.append(piece)
            if not waiting.expected.left:
                self._answered(waiting)
        elif waiting.expected.parts:
            self._behind.append(piece)
        else:
            self._outlet.to_client(piece)

    def _answered(self, waiting: Waiting) -> None:
        """The answer to the held command is whole."""
        answer = waiting.expected.answer if waiting.expected is not None else b""
        if waiting.refusal is not None:
            self._outlet.to_client(waiting.refusal.answer)
            self._finish()
            return
        waiting.held.answered(reply_of(answer, in_multi=self._state.in_multi))
        keeper = self._outlet.keeper
        assert keeper is not None, "without a keeper nothing is held"
        keeper.answers(waiting.held)

    def client_ended(self) -> None:
        """It has said all; a stalled command has nobody left who waits for it."""
        self._client_over = True
        if self._waiting is not None and self._waiting.held.turn is Turn.STALLED:
            self._outlet.close()
        else:
            self._turn()

    def server_ended(self) -> None:
        """Told to the client at once, unless an answer before it is on its way."""
        self._server_over = True
        waiting = self._waiting
        if waiting is None or waiting.held.turn not in _ANSWERING:
            if waiting is not None and waiting.expected is not None:
                self._outlet.to_client(waiting.expected.answer)
            self._outlet.to_client(self._values.rest[self._told :])
            self._outlet.end_to_client()

    def gate_changed(self) -> None:
        """What was held for the last keeper goes on."""
        self._shown = False
        waiting = self._waiting
        if waiting is not None:
            stood = waiting.held.release()
            if stood in _NOT_SENT:
                self._waiting = None
                self._send(waiting.command)
            elif stood in (Turn.SENT, Turn.ANSWERED):
                if waiting.expected is not None:
                    self._outlet.to_client(waiting.expected.answer)
                self._finish()
            elif waiting.hurry is not None:
                waiting.hurry()
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
        """Ask for the next command in the queue, or pass on what need not be asked for."""
        if self._turning or self._gone:
            return
        if self._lost:
            self._pass_end()
            return
        self._turning = True
        try:
            while self._queue and self._waiting is None and not self._state.raw:
                keeper = self._outlet.keeper
                command = self._queue[0]
                passes = keeper is None or not command.args or self._greets(command)
                if not passes and self._state.awaited:
                    break  # what passed before is answered first
                self._queue.popleft()
                self._queued_bytes -= len(command.raw)
                if keeper is None or passes:
                    self._send(command)
                else:
                    self._ask(command, keeper)
        finally:
            self._turning = False
        self._outlet.hold_back(self._queued_bytes > _QUEUE_LIMIT_BYTES)
        if self._state.raw or self._passing:
            self._catch_up()
        self._pass_end()

    def _pass_end(self) -> None:
        """The client's end comes after all it said, also while a command blocks in the server."""
        unsent = self._waiting is not None and self._waiting.held.turn in _NOT_SENT
        if self._client_over and not self._end_passed and not self._queue and not unsent:
            self._end_passed = True
            self._outlet.end_to_server()

    def _greets(self, command: Command) -> bool:
        return not self._state.in_multi and greets(command.args, fresh=self._fresh)

    def _catch_up(self) -> None:
        """Bytes pass as they come again: so do those of messages that are not whole yet."""
        if self._state.raw:
            for command in self._queue:
                self._outlet.to_server(command.raw)
            self._queue.clear()
        if self._commands.size > self._begun:
            self._outlet.to_server(self._commands.rest[self._begun :])
        if self._values.size > self._told:
            self._outlet.to_client(self._values.rest[self._told :])
        self._begun, self._told = self._commands.size, self._values.size

    def _send(self, command: Command) -> Expected | None:
        self._outlet.to_server(command.raw)
        return self._note_sent(command)

    def _note_sent(self, command: Command) -> Expected | None:
        if not command.args:
            return None
        self._fresh = self._fresh and greets(command.args, fresh=True)
        return self._state.sent(command.args)

    def _ask(self, command: Command, keeper: Gatekeeper) -> None:
        words = decoded(command.args)
        boundary = Boundary(
            link=self._outlet.link,
            protocol=WireProtocol.REDIS,
            connection=self._outlet.connection,
            ordinal=self._outlet.next_ordinal(),
            verb=verb_of(command.args),
            text=text_of(words),
            shape=shape_of(words),
            values=words[1:],
            in_transaction=self._state.in_multi,
            size_bytes=len(command.raw),
        )
        self._shown = True
        self._waiting = Waiting(command, HeldBoundary(boundary, self))
        keeper.asks(self._waiting.held)

    # What a keeper decides: `harness.wire.holding.Holder`.

    def send(self, held: HeldBoundary) -> None:
        """Send it to the server."""
        waiting = self._of(held)
        if self._server_over:
            self._outlet.reset()
            return
        waiting.expected = self._send(waiting.command)
        self._pass_end()
        if waiting.expected is None:
            self._answered(waiting)  # replies are off: nothing more will be heard of it

    def refuse(self, held: HeldBoundary, code: str, message: str) -> None:
        """Answer with an error; within MULTI the server is told what makes it agree."""
        waiting = self._of(held)
        name = name_of(waiting.command.args)
        refused = refusal(name, code, message, in_multi=self._state.in_multi)
        silent = self._state.silent
        if refused.instead is not None:
            waiting.refusal = refused
            self._outlet.to_server(encoded(refused.instead))
            waiting.expected = self._state.sent(refused.instead)
        elif silent:
            self._state.skip()
        if silent:
            self._finish()
        elif refused.instead is None:
            self._outlet.to_client(refused.answer)
            self._finish()

    def deliver(self, held: HeldBoundary, pieces: int, pause_s: float) -> None:
        """Write the answer, in pieces or whole."""
        waiting = self._of(held)
        answer = waiting.expected.answer if waiting.expected is not None else b""
        if pieces == 1 or len(answer) < 2:
            self._outlet.to_client(answer)
            self._finish()
        else:
            waiting.hurry = trickle(self._outlet, answer, pieces, pause_s, self._finish)

    def lose(self, held: HeldBoundary) -> None:
        """Reset instead."""
        self._outlet.reset()

    def reset(self, held: HeldBoundary) -> None:
        """Reset; the server never saw it."""
        self._outlet.reset()

    def _of(self, held: HeldBoundary) -> Waiting:
        waiting = self._waiting
        assert waiting is not None, "a decided boundary is the one that waits"
        assert waiting.held is held, "a decided boundary is the one that waits"
        return waiting

    def _finish(self) -> None:
        """The held command is over with: go on with what came behind it."""
        self._waiting = None
        for piece in self._behind:
            self._outlet.to_client(piece)
        self._behind.clear()
        if self._server_over:
            self._outlet.end_to_client()
        self._turn()
