"""One Redis connection at the gate; satisfies `overbooked.wire.gate.session.Session`.

Without a keeper, bytes are forwarded as they arrive and only the state is tracked. With a keeper, each
command is held separately, also in a pipeline: a command is held after the answer to the previous one was
delivered, so that its state (within MULTI or not) is known. Handshake commands (HELLO, AUTH, CLIENT SETNAME
...) are not held.
"""

from __future__ import annotations

from collections.abc import Callable

from overbooked.wire.gate.boundary import Boundary, WireProtocol
from overbooked.wire.gate.held import HeldBoundary, HoldState, trickle
from overbooked.wire.gate.queued_session import NOT_SENT, QueuedSession
from overbooked.wire.gate.serial import Disposition
from overbooked.wire.gate.session import Outlet
from overbooked.wire.redis.answer import reply_of
from overbooked.wire.redis.commands import greets, name_of, verb_of
from overbooked.wire.redis.conversation import Expected, RedisConversation
from overbooked.wire.redis.injection import Refusal, encoded, refusal
from overbooked.wire.redis.resp import CommandScanner, RedisCommand, ValueScanner
from overbooked.wire.redis.shape import decoded, shape_of, text_of

_QUEUE_LIMIT_BYTES = 1024 * 1024
_ANSWERING = frozenset({HoldState.ANSWERED, HoldState.DONE})


class RedisExchange:
    """A command with its answer, or with the refusal that replaces the answer."""

    __slots__ = ("command", "expected", "hurry", "refusal")

    def __init__(self, command: RedisCommand) -> None:
        self.command = command
        self.expected: Expected | None = None  # set when it is sent
        self.refusal: Refusal | None = None
        self.hurry: Callable[[], None] | None = None  # delivers the rest of a trickled answer immediately


class RedisSession(QueuedSession[RedisExchange, CommandScanner, ValueScanner]):
    """Parses, holds and fails the commands of one connection."""

    protocol_name = "Redis"

    def __init__(self, outlet: Outlet) -> None:
        super().__init__(outlet, CommandScanner(), ValueScanner())
        self._state = RedisConversation()
        self._fresh = True
        self._queued_bytes = 0

    @property
    def raw(self) -> bool:
        """See `SerialSession`."""
        return self._state.raw

    # -- what is read --------------------------------------------------------------------------

    def _follow_client(self, data: bytes, *, passing: bool) -> None:
        for command in self._requests.scanner.feed(data):
            if passing:
                self._note_sent(command)
            elif begun := self._requests.ahead():
                self._outlet.to_server(command.raw[begun:])
                self._note_sent(command)
            else:
                self._line.queue.append(RedisExchange(command))
                self._queued_bytes += len(command.raw)

    def _follow_server(self, data: bytes, *, passing: bool) -> None:
        for value in self._responses.scanner.feed(data):
            answered = self._state.received(value)
            if not passing:
                self._take(answered, value[self._responses.ahead() :])
            if self._state.raw or self._line.gone:
                break

    def _take(self, answered: Expected | None, piece: bytes) -> None:
        """Keep a value that answers the held command or follows its answer; forward any other value."""
        waiting = self._line.waiting
        if waiting is None or waiting.expected is None:
            self._outlet.to_client(piece)
        elif answered is waiting.expected or (waiting.expected.parts and waiting.expected.left):
            waiting.expected.parts.append(piece)
            if not waiting.expected.left:
                self._answered(waiting)
        elif waiting.expected.parts:
            self._line.put_behind(piece)
        else:
            self._outlet.to_client(piece)

    def _answered(self, waiting: RedisExchange) -> None:
        """Handle the complete answer to the held command: deliver a refusal, or report it to the keeper."""
        answer = waiting.expected.answer if waiting.expected is not None else b""
        if waiting.refusal is not None:
            self._outlet.to_client(waiting.refusal.answer)
            self._finish()
            return
        self._holds.answered(reply_of(answer, in_multi=self._state.in_multi))

    def _pass_server_end(self) -> None:
        waiting = self._line.waiting
        if waiting is None or self._holds.turn not in _ANSWERING:
            if waiting is not None and waiting.expected is not None:
                self._outlet.to_client(waiting.expected.answer)
            self._outlet.to_client(self._responses.left())
            self._outlet.end_to_client()

    def _release(self, waiting: RedisExchange, stood: HoldState | None) -> None:
        if stood in NOT_SENT:
            self._line.waiting = None
            self._send(waiting.command)
        elif stood in (HoldState.SENT, HoldState.ANSWERED):
            if waiting.expected is not None:
                self._outlet.to_client(waiting.expected.answer)
            self._finish()
        elif waiting.hurry is not None:
            waiting.hurry()

    # -- the queue (SerialSession) -------------------------------------------------------------

    def way(self, message: RedisExchange) -> Disposition:
        """Do not hold handshake and empty commands; hold others only when all answers have arrived."""
        command = message.command
        if self._outlet.keeper is None or not command.args or self._greets(command):
            return Disposition.ON
        return Disposition.WAIT if self._state.awaited else Disposition.ASK

    def send_on(self, message: RedisExchange) -> None:
        """See `SerialSession`."""
        self._queued_bytes -= len(message.command.raw)
        self._send(message.command)

    def _keeps_too_much(self) -> bool:
        return self._queued_bytes > _QUEUE_LIMIT_BYTES

    def _has_sent(self) -> bool:
        return self._holds.turn not in NOT_SENT

    def _greets(self, command: RedisCommand) -> bool:
        return not self._state.in_multi and greets(command.args, fresh=self._fresh)

    def _catch_up(self) -> None:
        if self._state.raw:
            for message in self._line.queue:
                self._outlet.to_server(message.command.raw)
            self._line.queue.clear()
        super()._catch_up()

    def _send(self, command: RedisCommand) -> Expected | None:
        self._outlet.to_server(command.raw)
        return self._note_sent(command)

    def _note_sent(self, command: RedisCommand) -> Expected | None:
        if not command.args:
            return None
        self._fresh = self._fresh and greets(command.args, fresh=True)
        return self._state.sent(command.args)

    def ask(self, message: RedisExchange) -> None:
        """See `SerialSession`."""
        command = message.command
        self._queued_bytes -= len(command.raw)
        words = decoded(command.args)
        self._holds.ask(
            Boundary(
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
        )

    # -- what a keeper decides (Holder) --------------------------------------------------------

    def send(self, held: HeldBoundary) -> None:
        """Send it to the server."""
        waiting = self._line.of(held)
        if self._line.server_over:
            self._outlet.reset()
            return
        waiting.expected = self._send(waiting.command)
        self._pass_end()
        if waiting.expected is None:
            self._answered(waiting)  # replies are off, so the server sends no answer

    def refuse(self, held: HeldBoundary, code: str, message: str) -> None:
        """Answer with an error; within MULTI, send the server a command that aborts the transaction."""
        waiting = self._line.of(held)
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
        """Write the answer, in one or more pieces."""
        waiting = self._line.of(held)
        answer = waiting.expected.answer if waiting.expected is not None else b""
        waiting.hurry = trickle(self._outlet, answer, pieces, pause_s, self._finish)

    def _finish(self) -> None:
        """Finish the held command and continue with the messages after it."""
        self._line.finish()
        if self._line.server_over:
            self._outlet.end_to_client()
        self._line.turn()
