"""The data of a PostgreSQL server, without the answers to the gate's own messages.

Bytes are forwarded as they arrive unless messages must be kept, dropped or rewritten.
"""

from __future__ import annotations

from overbooked.wire.gate.session import Outlet
from overbooked.wire.postgres import messages as m
from overbooked.wire.postgres.answer import Answers
from overbooked.wire.postgres.autocommit import Wrapped
from overbooked.wire.postgres.conversation import Conversation
from overbooked.wire.postgres.framing import Framed, Framer

# The authentication requests for a clear-text, md5 and SASL password.
_PASSWORDS = frozenset({b"\0\0\0\x03", b"\0\0\0\x05", b"\0\0\0\x0a"})


class AnswerStream:
    """The server's side of one session.

    Args:
        outlet: the connection.
        state: the session's state.
        answers: receives the client's bytes while they are not forwarded directly.
    """

    __slots__ = (
        "_answers",
        "_framer",
        "_outlet",
        "_rewritten",
        "_short",
        "_state",
        "asks_password",
        "wrapped",
    )

    def __init__(self, outlet: Outlet, state: Conversation, answers: Answers) -> None:
        self._outlet = outlet
        self._state = state
        self._answers = answers
        self._framer = Framer("server", known=m.SERVER_KNOWN, kept=m.SERVER_KEPT, skipped=m.SERVER_ROWS)
        self._short: list[bytes] = []  # the start of an incomplete message that was not forwarded
        self._rewritten: tuple[str, str] | None = None
        self.asks_password = False  # the server asks for a password and the client has not answered
        self.wrapped: Wrapped | None = None  # a Query that is sent separately from its commit

    @property
    def plain(self) -> bool:
        """Whether everything read was forwarded unchanged and the next bytes may be too."""
        return not (self._short or self._keeps)

    @property
    def _keeps(self) -> bool:
        """Whether messages must be kept, dropped or rewritten."""
        answers = self._answers
        return bool(answers.waiting or answers.kept or self._state.ours or self._rewritten or self.wrapped)

    def catch_up(self) -> None:
        """Forward the start of an incomplete message if nothing is kept any more."""
        if self._short and not self._keeps:
            self._outlet.to_client(b"".join(self._short))
            self._short.clear()

    def rewrite(self, error: tuple[str, str] | None) -> None:
        """Set the SQLSTATE and text that replace those of the next error; None for no replacement."""
        self._rewritten = error

    def take(self, data: bytes) -> bool:
        """Process data from the server; return whether it was processed message by message.

        Raises:
            ProtocolError: the data does not consist of PostgreSQL messages.
        """
        if self.plain:
            self._outlet.to_client(data)
            for kind, _, body in self._framer.feed(data):
                self._received(kind, body)
            return False
        self._closely(data)
        return True

    def _closely(self, data: bytes) -> None:
        """Process data message by message, since some messages answer the gate and one ends the held answer.

        The framer does not report rows. A message that answers the gate, or an error to rewrite, never
        directly follows a row, so it begins at `at`.
        """
        run = at = 0  # starts of the client's unwritten bytes and of the next message
        for kind, end, body in self._framer.feed(data):
            ours = self._received(kind, body)
            if self.wrapped is not None:
                run = self._heard(self.wrapped, data, run, at, (kind, end, body))
                at = end
                continue
            instead = self._rewritten if kind == m.ERROR else None
            if ours or instead:
                if at:
                    self._put(data, run, at)
                self._short.clear()  # the start of this dropped message
                run = end
            if instead:
                self._put_error(body or b"", *instead)
            at = end
        at = self._framer.begun  # rows are not reported
        if at:
            self._put(data, run, at)
        if at < len(data):
            self._short.append(data[at:])
            self.catch_up()

    def _heard(self, wrapped: Wrapped, data: bytes, run: int, at: int, framed: Framed) -> int:
        """Process an answer to a Query that was sent in parts; return the start of the unwritten bytes."""
        kind, end, body = framed
        heard = wrapped.heard(kind, body)
        if wrapped.over:
            self.wrapped = None
        if not heard.dropped and not heard.before:
            return run
        # Rows, which the framer does not report, may directly precede the message.
        begins = at if body is None else end - m.HEAD_BYTES - len(body)
        if begins > 0:
            self._put(data, run, begins)
            run = begins
        if heard.before:
            self._answers.put(heard.before)
        if heard.dropped:
            if begins <= 0:
                self._short.clear()
            run = end
        return run

    def _put(self, data: bytes, run: int, end: int) -> None:
        if self._short:
            self._answers.put(b"".join(self._short))
            self._short.clear()
        if end > run:
            self._answers.put(data[run:end])

    def _put_error(self, body: bytes, code: str, text: str) -> None:
        self._rewritten = None
        self._state.error, self._state.error_text = code, text
        self._answers.put(m.message(m.ERROR, m.with_error(body, code, text)))

    def _received(self, kind: int, body: bytes | None) -> bool:
        if kind == m.AUTHENTICATION:
            self.asks_password = (body or b"")[:4] in _PASSWORDS
        return self._state.received(kind, body)
