"""One Redis connection at the gate; satisfies `overbooked.wire.gate.session.Session`.

Without a keeper bytes go on as they come and the state is followed. With one each command is held by
itself, also in a pipeline: the next asks once the one before was answered and delivered, so that what
is known of it (within MULTI?) is true. Greetings (HELLO, AUTH, CLIENT SETNAME ...) pass unheld.
"""

from __future__ import annotations

from collections.abc import Callable

from overbooked.wire.gate.boundary import Boundary, WireProtocol
from overbooked.wire.gate.held import Dealings, HeldBoundary, Turn, trickle
from overbooked.wire.gate.serial import Direction, OneByOne, Way
from overbooked.wire.gate.session import Outlet
from overbooked.wire.redis.answer import reply_of
from overbooked.wire.redis.commands import greets, name_of, verb_of
from overbooked.wire.redis.conversation import Expected, Following
from overbooked.wire.redis.injection import Refusal, encoded, refusal
from overbooked.wire.redis.resp import Command, CommandScanner, ValueScanner, Violation
from overbooked.wire.redis.shape import decoded, shape_of, text_of

_QUEUE_LIMIT_BYTES = 1024 * 1024
_NOT_SENT = frozenset({Turn.ASKED, Turn.STALLED})
_ANSWERING = frozenset({Turn.ANSWERED, Turn.DONE})


class Exchange:
    """A command, its answer, and what may be told instead of that."""

    __slots__ = ("command", "expected", "hurry", "refusal")

    def __init__(self, command: Command) -> None:
        self.command = command
        self.expected: Expected | None = None  # once it was sent
        self.refusal: Refusal | None = None
        self.hurry: Callable[[], None] | None = None  # ends a trickle at once


class RedisSession:
    """Follows, holds and fails the commands of one connection."""

    def __init__(self, outlet: Outlet) -> None:
        self._outlet = outlet
        self._dealings = Dealings(outlet, self)
        self._line: OneByOne[Exchange] = OneByOne(outlet, self._dealings, self)
        self._commands = Direction(CommandScanner())
        self._values = Direction(ValueScanner())
        self._state = Following()
        self._fresh = True
        self._queued_bytes = 0

    @property
    def _passing(self) -> bool:
        return self._outlet.keeper is None and self._line.empty

    @property
    def raw(self) -> bool:
        """See `Follower`."""
        return self._state.raw

    # What comes in.

    def from_client(self, data: bytes) -> None:
        """Pass it on, or queue the commands that it completes."""
        if self._state.raw or self._dealings.is_lost():
            self._outlet.to_server(data)
            return
        passing = self._passing
        if passing:
            self._outlet.to_server(data)
        try:
            for command in self._commands.scanner.feed(data):
                if passing:
                    self._note_sent(command)
                elif begun := self._commands.ahead():
                    self._outlet.to_server(command.raw[begun:])
                    self._note_sent(command)
                else:
                    self._line.queue.append(Exchange(command))
                    self._queued_bytes += len(command.raw)
        except Violation as violation:
            self._dealings.lose(
                f"a client speaks no Redis on {self._outlet.link}: {violation}", harmless=passing
            )
            return
        if passing:
            self._commands.passed()
        else:
            self._line.turn()

    def from_server(self, data: bytes) -> None:
        """Pass it on, or keep what answers the held command."""
        if self._state.raw or self._dealings.is_lost():
            self._outlet.to_client(data)
            return
        passing = self._passing
        if passing:
            self._outlet.to_client(data)
        try:
            for value in self._values.scanner.feed(data):
                answered = self._state.received(value)
                if not passing:
                    self._take(answered, value[self._values.ahead() :])
                if self._state.raw or self._line.gone:
                    break
        except Violation as violation:
            self._dealings.lose(
                f"the server speaks no Redis on {self._outlet.link}: {violation}", harmless=passing
            )
            return
        if passing:
            self._values.passed()
        else:
            self._line.turn()

    def _take(self, answered: Expected | None, piece: bytes) -> None:
        """A value that answers the held command is kept, and what comes behind it; others go on."""
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

    def _answered(self, waiting: Exchange) -> None:
        """The answer to the held command is whole."""
        answer = waiting.expected.answer if waiting.expected is not None else b""
        if waiting.refusal is not None:
            self._outlet.to_client(waiting.refusal.answer)
            self._finish()
            return
        self._dealings.answered(reply_of(answer, in_multi=self._state.in_multi))

    def client_ended(self) -> None:
        """It has said all; a stalled command has nobody left who waits for it."""
        self._line.client_over = True
        if self._dealings.turn is Turn.STALLED:
            self._outlet.close()
        else:
            self._line.turn()

    def server_ended(self) -> None:
        """Told to the client at once, unless an answer before it is on its way."""
        self._line.server_over = True
        if self._dealings.lost:
            self._outlet.end_to_client()
            return
        waiting = self._line.waiting
        if waiting is None or self._dealings.turn not in _ANSWERING:
            if waiting is not None and waiting.expected is not None:
                self._outlet.to_client(waiting.expected.answer)
            self._outlet.to_client(self._values.left())
            self._outlet.end_to_client()

    def gate_changed(self) -> None:
        """What was held for the last keeper goes on."""
        stood = self._dealings.dismissed()
        waiting = self._line.waiting
        if waiting is not None:
            if stood in _NOT_SENT:
                self._line.waiting = None
                self._send(waiting.command)
            elif stood in (Turn.SENT, Turn.ANSWERED):
                if waiting.expected is not None:
                    self._outlet.to_client(waiting.expected.answer)
                self._finish()
            elif waiting.hurry is not None:
                waiting.hurry()
        self._line.turn()

    def over(self) -> None:
        """The connection has gone."""
        self._line.over()

    # Whose turn it is: `overbooked.wire.gate.serial.Follower`.

    def way(self, message: Exchange) -> Way:
        """Greetings and empty commands pass; what passed is answered before the next asks."""
        command = message.command
        if self._outlet.keeper is None or not command.args or self._greets(command):
            return Way.ON
        return Way.WAIT if self._state.awaited else Way.ASK

    def send_on(self, message: Exchange) -> None:
        """See `Follower`."""
        self._queued_bytes -= len(message.command.raw)
        self._send(message.command)

    def turned(self) -> None:
        """See `Follower`."""
        self._outlet.hold_back(self._queued_bytes > _QUEUE_LIMIT_BYTES)
        if self._state.raw or self._passing:
            self._catch_up()
        self._pass_end()

    def _pass_end(self) -> None:
        self._line.pass_end(sent=self._dealings.turn not in _NOT_SENT)

    def _greets(self, command: Command) -> bool:
        return not self._state.in_multi and greets(command.args, fresh=self._fresh)

    def _catch_up(self) -> None:
        """Bytes pass as they come again: so do those of messages that are not whole yet."""
        if self._state.raw:
            for message in self._line.queue:
                self._outlet.to_server(message.command.raw)
            self._line.queue.clear()
        self._line.catch_up(self._commands, self._values)

    def _send(self, command: Command) -> Expected | None:
        self._outlet.to_server(command.raw)
        return self._note_sent(command)

    def _note_sent(self, command: Command) -> Expected | None:
        if not command.args:
            return None
        self._fresh = self._fresh and greets(command.args, fresh=True)
        return self._state.sent(command.args)

    def ask(self, message: Exchange) -> None:
        """See `Follower`."""
        command = message.command
        self._queued_bytes -= len(command.raw)
        words = decoded(command.args)
        self._dealings.ask(
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

    # What a keeper decides: `overbooked.wire.gate.held.Holder`.

    def send(self, held: HeldBoundary) -> None:
        """Send it to the server."""
        waiting = self._line.of(held)
        if self._line.server_over:
            self._outlet.reset()
            return
        waiting.expected = self._send(waiting.command)
        self._pass_end()
        if waiting.expected is None:
            self._answered(waiting)  # replies are off: nothing more will be heard of it

    def refuse(self, held: HeldBoundary, code: str, message: str) -> None:
        """Answer with an error; within MULTI the server is told what makes it agree."""
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
        """Write the answer, in pieces or whole."""
        waiting = self._line.of(held)
        answer = waiting.expected.answer if waiting.expected is not None else b""
        waiting.hurry = trickle(self._outlet, answer, pieces, pause_s, self._finish)

    def lose(self, held: HeldBoundary) -> None:
        """Reset instead."""
        self._outlet.reset()

    def reset(self, held: HeldBoundary) -> None:
        """Reset; the server never saw it."""
        self._outlet.reset()

    def _finish(self) -> None:
        """The held command is over with: go on with what came behind it."""
        self._line.finish()
        if self._line.server_over:
            self._outlet.end_to_client()
        self._line.turn()
