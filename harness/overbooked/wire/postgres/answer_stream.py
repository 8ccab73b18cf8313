"""What a PostgreSQL server says, cut so that what answers the gate itself never reaches the client.

Bytes go on as they come while nothing has to be kept, dropped or rewritten; else message by message.
"""

from __future__ import annotations

from overbooked.wire.gate.session import Outlet
from overbooked.wire.postgres import messages as m
from overbooked.wire.postgres.answer import Answers
from overbooked.wire.postgres.autocommit import Wrapped
from overbooked.wire.postgres.conversation import Conversation
from overbooked.wire.postgres.framing import Framed, Framer

# In clear, by md5, by SASL's first message.
_PASSWORDS = frozenset({b"\0\0\0\x03", b"\0\0\0\x05", b"\0\0\0\x0a"})


class Answering:
    """The server's side of one session.

    Args:
        outlet: the connection.
        state: follows what was said.
        answers: where the client's bytes go while they are not simply passed on.
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
        self._short: list[bytes] = []  # of a message that is not whole and has not gone on
        self._rewritten: tuple[str, str] | None = None
        self.asks_password = False  # it did, and the client has not answered yet
        self.wrapped: Wrapped | None = None  # the Query whose commit is sent apart

    @property
    def plain(self) -> bool:
        """Everything that was read has gone on as it came, and so may what comes."""
        return not (self._short or self._keeps)

    @property
    def _keeps(self) -> bool:
        """Something is kept, dropped or rewritten of what comes."""
        answers = self._answers
        return bool(answers.waiting or answers.kept or self._state.ours or self._rewritten or self.wrapped)

    def catch_up(self) -> None:
        """The beginning of a message goes on where nothing is kept any more; the rest follows as it comes."""
        if self._short and not self._keeps:
            self._outlet.to_client(b"".join(self._short))
            self._short.clear()

    def rewrite(self, error: tuple[str, str] | None) -> None:
        """The next error gets this SQLSTATE and text; None: none does."""
        self._rewritten = error

    def take(self, data: bytes) -> bool:
        """These bytes were read from the server; whether they were looked at one by one.

        Raises:
            Violation: they are no messages.
        """
        if self.plain:
            self._outlet.to_client(data)
            for kind, _, body in self._framer.feed(data):
                self._received(kind, body)
            return False
        self._closely(data)
        return True

    def _closely(self, data: bytes) -> None:
        """Message by message: some answer the gate, one ends the answer that is held.

        Rows are not told of by the framer; one that answers the gate, or an error to rewrite, never
        follows a row directly, so `at` is where it begins.
        """
        run = at = 0  # where the bytes begin that are the client's and not put yet; the next message
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
                self._short.clear()  # this message's own beginning
                run = end
            if instead:
                self._put_error(body or b"", *instead)
            at = end
        at = self._framer.begun  # rows are not told of
        if at:
            self._put(data, run, at)
        if at < len(data):
            self._short.append(data[at:])
            self.catch_up()

    def _heard(self, wrapped: Wrapped, data: bytes, run: int, at: int, framed: Framed) -> int:
        """A message of a Query that was sent in parts; returns where what has not been put begins."""
        kind, end, body = framed
        heard = wrapped.heard(kind, body)
        if wrapped.over:
            self.wrapped = None
        if not heard.dropped and not heard.before:
            return run
        # Rows may stand directly before it, which the framer does not tell of.
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
