"""The state of a PostgreSQL session: due answers, transaction, COPY, prepared statements.

`Conversation` receives every message in the order in which the server receives or sends it. It tracks which
answers the server will send (`due`), that the server discards everything up to Sync after an error and
ignores Sync during COPY, and the SQL of every prepared statement and portal.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from overbooked.wire.gate.session import ProtocolError
from overbooked.wire.postgres import messages as m
from overbooked.wire.postgres import sql
from overbooked.wire.postgres.messages import printable, word

STARTUP = 0
"""The type, in `due`, of the handshake that the first ReadyForQuery ends."""

UNKNOWN = "?"
"""The text of a statement that was never seen."""

_ASYNCHRONOUS = frozenset({m.NOTICE, m.NOTIFICATION, m.PARAMETER})
_EXTENDED = frozenset({m.PARSE, m.BIND, m.DESCRIBE, m.EXECUTE, m.CLOSE})
_ENDED_BY_READY = frozenset({m.SYNC, m.QUERY, m.CALL, STARTUP})
_RUNS = frozenset({m.EXECUTE, m.QUERY})
_IN_RESULT = frozenset({m.ROW, m.COPY_DATA, m.COPY_DONE, m.COPY_OUT})
_HANDSHAKE = frozenset({m.AUTHENTICATION, m.KEY_DATA, m.NEGOTIATE})
# For answers to exactly one type of client message: that type.
_ANSWERS = {m.PARSED: m.PARSE, m.BOUND: m.BIND, m.CLOSED: m.CLOSE, m.PARAMETERS: m.DESCRIBE}
_IDLE = ord("I")


class Due(NamedTuple):
    """A due answer to a message of type `kind`; `ours` is true if the gate sent that message."""

    kind: int
    body: bytes
    ours: bool


class Portal(NamedTuple):
    """A bound portal: its SQL and the body of its Bind message."""

    text: str
    bind: bytes


class BrokenCopy(NamedTuple):
    """A COPY into the server that failed before the client ended its data.

    `text` is its statement; `simple` is true if a Query started it, so that its end needs no Sync.
    """

    text: str
    simple: bool


class Conversation:
    """The state of one session; see the module's docstring."""

    __slots__ = (
        "broken_copy",
        "copying_in",
        "due",
        "error",
        "error_text",
        "fatal",
        "implicit",
        "key",
        "ours",
        "pid",
        "portals",
        "skipping",
        "statements",
        "status",
        "strays",
        "tags",
    )

    def __init__(self) -> None:
        self.due: deque[Due] = deque([Due(STARTUP, b"", False)])
        self.ours = 0  # the number of due answers to the gate's own messages
        self.status = _IDLE  # ReadyForQuery's letter
        self.implicit = False  # a statement was executed since the last Sync
        self.skipping = False  # the server discards everything up to Sync
        self.copying_in = False  # the server reads the client's CopyData
        self.broken_copy: BrokenCopy | None = None  # until the client ends its data or sends another message
        self.strays = 0  # Syncs that a failed COPY may have ignored
        self.fatal = False  # the server has ended the session with an error
        self.pid: int | None = None
        self.key = b""
        self.statements: dict[bytes, str] = {}
        self.portals: dict[bytes, Portal] = {}
        self.tags: list[bytes] = []  # since the last time that no answer was due; the error too
        self.error = ""
        self.error_text = ""

    @property
    def in_transaction(self) -> bool:
        """Whether changes can still be rolled back: within BEGIN, before Sync, or in a COPY.

        After an error before Sync they are rolled back already.
        """
        return self.status != _IDLE or (self.implicit and not self.skipping) or self.copying_in

    @property
    def in_failed_transaction(self) -> bool:
        """Whether the transaction has failed and can only be rolled back."""
        return self.status == ord("E")

    # -- to the server --------------------------------------------------------------------------

    def sent(self, kind: int, body: bytes | None, *, ours: bool = False) -> None:
        """Record a message that is sent to the server."""
        broken_copy = self.broken_copy
        if kind == m.SYNC:
            if self.copying_in:
                self.strays += 1  # the server ignores it, unless the COPY has failed by then
                return
            self.skipping = self.implicit = False
            self.broken_copy = None
        elif kind in {m.COPY_DONE, m.COPY_FAIL}:
            if broken_copy is not None and broken_copy.simple:
                self.broken_copy = None  # otherwise the Sync after it ends the COPY
            if self.copying_in:
                self.copying_in = False
            elif self.due and not self.skipping:
                # Sent before the server has accepted the COPY; it counts if the server accepts it.
                self.due.append(Due(m.COPY_DONE, b"", ours))
            return
        elif kind in _EXTENDED or kind in {m.QUERY, m.CALL}:
            self.broken_copy = None
            if self.skipping:
                return
            if kind == m.EXECUTE:
                self.implicit = True
            elif kind == m.QUERY:
                self.implicit = False  # like Sync, it ends the implicit transaction
        else:
            return  # Flush, CopyData, Terminate, passwords: no answer is due
        if not self.due and not (kind == m.SYNC and broken_copy):
            self.tags = []
            self.error = self.error_text = ""
        self.due.append(Due(kind, body or b"", ours))
        self.ours += ours

    # -- from the server ------------------------------------------------------------------------

    def received(self, kind: int, body: bytes | None) -> bool:
        """Record a message from the server; return whether it answers the gate and not the client.

        Raises:
            ProtocolError: the message is not the answer that is due.
        """
        if kind in _ASYNCHRONOUS:
            return False
        if kind == m.ERROR:
            return self._failed(body or b"")
        if kind == m.READY:
            return self._ready(body or b"")
        due = self.due
        if not due:
            raise ProtocolError(f"the server sent {printable(kind)} without a request")
        head = due[0]
        if head.kind in _RUNS and kind not in _ANSWERS:
            ends = self._ran(kind, body or b"", head)
        else:
            ends = self._answered(kind, body or b"", head)
        if ends:
            self._pop()
        return head.ours

    def _ran(self, kind: int, body: bytes, head: Due) -> bool:
        """Record a message of a statement's result; return whether it ends the result of an Execute."""
        if kind in {m.COMPLETE, m.EMPTY, m.SUSPENDED}:
            if kind == m.COMPLETE:
                self._completed(body, head)
            return head.kind == m.EXECUTE
        if kind == m.COPY_IN:
            self._copy_begins()
        elif kind not in _IN_RESULT and not (kind == m.ROW_SHAPE and head.kind == m.QUERY):
            raise self._unexpected(kind, head.kind)
        return False

    def _answered(self, kind: int, body: bytes, head: Due) -> bool:
        """Record an answer to any other message; return whether it is the last message of the answer."""
        if kind in _ANSWERS:
            self._expect(kind, head.kind, _ANSWERS[kind])
            if kind == m.PARAMETERS:
                return False
            self._settle(kind, head.body)
        elif kind in {m.ROW_SHAPE, m.NO_DATA}:
            self._expect(kind, head.kind, m.DESCRIBE)
        elif kind in _HANDSHAKE:
            self._expect(kind, head.kind, STARTUP)
            if kind == m.KEY_DATA:
                self.pid, self.key = int.from_bytes(body[:4], "big"), body[4:]
            return False
        else:
            self._expect(kind, head.kind, m.CALL if kind == m.CALLED else -1)
            return False
        return True

    def _expect(self, kind: int, asked: int, wanted: int) -> None:
        if asked != wanted:
            raise self._unexpected(kind, asked)

    def _unexpected(self, kind: int, asked: int) -> ProtocolError:
        what = f"an answer to {printable(asked)}" if asked else "the handshake"
        return ProtocolError(f"the server sent {printable(kind)} where {what} was due")

    def _pop(self) -> None:
        due = self.due
        self.ours -= due.popleft().ours
        while due and due[0].kind == m.COPY_DONE:
            self.ours -= due.popleft().ours

    def _ready(self, body: bytes) -> bool:
        due = self.due
        if due and due[0].kind in _ENDED_BY_READY:
            ours = due[0].ours
            self._pop()
        elif self.strays:
            self.strays -= 1
            ours = False
        else:
            raise ProtocolError("the server sent ReadyForQuery without a request")
        if len(body) != 1:
            raise ProtocolError("the server's ReadyForQuery does not say in which state it is")
        self.status = body[0]
        if self.status == _IDLE and not self.implicit:
            self.portals.clear()
        if not due:
            self.copying_in = False
        return ours

    def _failed(self, body: bytes) -> bool:
        fields = m.error_fields(body)
        self.fatal = fields.get("V", fields.get("S")) in {"FATAL", "PANIC"}
        if self.fatal or not self.error:
            self.error, self.error_text = fields.get("C", "?????"), fields.get("M", "")
        due = self.due
        if self.fatal:
            return False
        if not due:
            raise ProtocolError("the server sent an error without a request")
        if self.copying_in:
            self.broken_copy = BrokenCopy(self.copied, self.copies_simply)
        if due[0].kind in _EXTENDED:
            while due and due[0].kind != m.SYNC:
                self.ours -= due.popleft().ours
            self.skipping = not due
            if self.copying_in:
                # Syncs sent from now on are answered again; earlier ones may have been ignored.
                self.copying_in = False
        elif due[0].kind == m.QUERY:
            self.copying_in = False
            while len(due) > 1 and due[1].kind == m.COPY_DONE:
                del due[1]
        return False

    def _copy_begins(self) -> None:
        """Update `due` for messages sent ahead: a COPY ignores Sync up to the client's CopyDone."""
        due = self.due
        command = due.popleft()
        while due and due[0].kind == m.SYNC:
            due.popleft()
            self.strays += 1
        if due and due[0].kind == m.COPY_DONE:
            due.popleft()
        else:
            self.copying_in = True
        due.appendleft(command)

    # -- statements and portals -----------------------------------------------------------------

    @property
    def copies_simply(self) -> bool:
        """Whether a Query started the COPY that the client has not ended."""
        if self.broken_copy is not None:
            return self.broken_copy.simple
        return bool(self.due) and self.due[0].kind == m.QUERY

    @property
    def copied(self) -> str:
        """The SQL of the COPY in progress, or `COPY` if unknown."""
        if not self.due:
            return "COPY"
        head = self.due[0]
        if head.kind == m.QUERY:
            statements = sql.split(word(head.body)[0].decode("utf-8", "replace"))
            return statements[0] if len(statements) == 1 else "COPY"
        return self.text_of(head.body) or "COPY"

    def text_of(self, execute: bytes) -> str:
        """The SQL that an Execute runs; "" if unknown."""
        portal = self.portals.get(execute[: execute.find(b"\0")])
        return portal.text if portal else ""

    def _settle(self, kind: int, body: bytes) -> None:
        if kind == m.PARSED:
            name, at = word(body)
            self.statements[name] = word(body, at)[0].decode("utf-8", "replace")
        elif kind == m.BOUND:
            name, at = word(body)
            self.portals[name] = Portal(self.statements.get(word(body, at)[0], UNKNOWN), body)
        else:
            name, _ = word(body, 1)
            (self.statements if body[:1] == b"S" else self.portals).pop(name, None)

    def _completed(self, body: bytes, head: Due) -> None:
        self.strays = 0
        tag = body[:-1]
        if len(self.tags) < 1000 and not head.ours:
            self.tags.append(tag)
        if not tag.startswith((b"DEALLOCATE", b"DISCARD ALL", b"PREPARE")):
            return
        if tag in {b"DEALLOCATE ALL", b"DISCARD ALL"}:
            self.statements.clear()
            return
        text = (
            word(head.body)[0].decode("utf-8", "replace") if head.kind == m.QUERY else self.text_of(head.body)
        )
        for name in sql.deallocated(text):
            self.statements.pop(name, None)
        made = sql.prepared(text)
        if made and tag == b"PREPARE":
            self.statements[made[0]] = made[1]
