"""Groups: the messages that the server acts on together, and the boundary that each one is."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from overbooked.wire.gate.boundary import Boundary, WireProtocol
from overbooked.wire.postgres import messages as m
from overbooked.wire.postgres import sql
from overbooked.wire.postgres.conversation import UNKNOWN, Conversation, Portal
from overbooked.wire.postgres.messages import word

_SERIES = frozenset({m.PARSE, m.BIND, m.DESCRIBE, m.EXECUTE, m.CLOSE, m.COPY_DONE, m.COPY_FAIL})
_COPY = frozenset({m.COPY_DATA, m.COPY_DONE, m.COPY_FAIL})
_END_OF_DATA = " (end of data)"
# Executed by a name that we never saw bound: held, as what it does is not known.
_UNKNOWN = Portal(UNKNOWN, b"")


class Message(NamedTuple):
    """One message of the client, or `ours` in its name; `body` where the framer keeps it."""

    kind: int
    body: bytes | None
    raw: bytes
    ours: bool = False


class Queue:
    """The client's messages that have not been passed on yet, cut into groups when asked."""

    __slots__ = ("_ends", "_messages", "_taken", "size_bytes")

    def __init__(self) -> None:
        self._messages: deque[Message] = deque()
        self._taken = 0  # how many have been taken ever
        self._ends: deque[int] = deque()  # the numbers, counted so, of those that end a group
        self.size_bytes = 0

    def __bool__(self) -> bool:
        return bool(self._messages)

    def put(self, message: Message) -> None:
        if message.kind not in _SERIES:
            self._ends.append(self._taken + len(self._messages))
        self._messages.append(message)
        self.size_bytes += len(message.raw)

    def take(self, state: Conversation) -> list[Message]:
        """The next group, or nothing while it is not whole.

        Args:
            state: in a COPY everything but its data goes unheard, and the Sync behind the end of its data
                belongs to it unless a Query began it.
        """
        if not self._messages:
            return []
        first = self._messages[0].kind
        if first in {m.COPY_DONE, m.COPY_FAIL} and (state.copying_in or state.broken_copy):
            alone = state.copies_simply
        else:
            alone = state.copying_in or first not in _SERIES or first in _COPY
        if alone:
            return self._cut(1)
        return self._cut(self._ends[0] - self._taken + 1) if self._ends else []

    def take_all(self) -> list[Message]:
        """Everything, whole groups or not."""
        return self._cut(len(self._messages))

    def drop(self) -> list[Message]:
        """Forget everything; returns the message that ends the session in order, if that came."""
        return [message for message in self.take_all() if message.kind == m.TERMINATE]

    def put_back(self, messages: Sequence[Message]) -> None:
        """These are the next again, before everything that waits."""
        self._taken -= len(messages)
        for at in range(len(messages) - 1, -1, -1):
            if messages[at].kind not in _SERIES:
                self._ends.appendleft(self._taken + at)
        self._messages.extendleft(reversed(messages))
        self.size_bytes += sum(len(message.raw) for message in messages)

    def drop_ours(self) -> bool:
        """Take out what the gate has put in front; whether there was anything."""
        if not self._messages or not self._messages[0].ours:
            return False
        self._cut(1)
        return True

    def _cut(self, count: int) -> list[Message]:
        taken = [self._messages.popleft() for _ in range(count)]
        self._taken += count
        while self._ends and self._ends[0] < self._taken:
            self._ends.popleft()
        self.size_bytes -= sum(len(message.raw) for message in taken)
        return taken


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a group does: the statements that it executes, and the first one's parameters."""

    statements: tuple[str, ...]
    values: tuple[str | None, ...] = ()
    verb: str = ""
    ending: str = ""  # what stands behind the shape: the end of a COPY, a commit by Sync


def meaning(group: Sequence[Message], state: Conversation) -> Meaning | None:
    """What `group` does in this state; None when it executes nothing.

    The end of a COPY's data is a boundary also where the COPY has failed already: whether the server's
    error or the client's end comes first is a matter of time, and no boundary depends on that.
    """
    first = group[0].kind
    if first in {m.COPY_DONE, m.COPY_FAIL}:
        if state.copying_in:
            return Meaning((state.copied,), ending=_END_OF_DATA)
        if state.broken_copy:
            return Meaning((state.broken_copy.text,), ending=_END_OF_DATA)
    if state.skipping:
        return None  # the server discards it up to Sync
    if first in _COPY or first in {m.TERMINATE, m.PASSWORD} or state.copying_in:
        return None
    statements, values = _executed(group, state)
    if statements:
        return Meaning(tuple(statements), values, ending=" (Query)" if group[0].ours else "")
    if group[-1].kind == m.CALL:
        return Meaning(("function call",), verb="CALL")
    if group[-1].kind == m.SYNC and state.implicit and state.status == ord("I"):
        return Meaning(("COMMIT",), verb="COMMIT", ending=" (Sync)")
    return None


def ending() -> Meaning:
    """The end of a session, which frees what the session holds."""
    return Meaning(("TERMINATE",), verb="TERMINATE")


def _executed(group: Sequence[Message], state: Conversation) -> tuple[list[str], tuple[str | None, ...]]:
    """The statements that are run, empty ones left out, and the first one's parameters."""
    statements: list[str] = []
    values: tuple[str | None, ...] = ()
    portals = dict(_portals(group, state))
    for at, message in enumerate(group):
        if message.kind == m.QUERY:
            statements.extend(sql.split(word(message.body or b"")[0].decode("utf-8", "replace")))
        elif at in portals and sql.verb(portals[at].text):
            if not statements and portals[at].bind:
                values = m.bound_values(portals[at].bind)
            statements.append(portals[at].text.strip())
    return statements, values


def executed_by(group: Sequence[Message], state: Conversation) -> list[tuple[int, str]]:
    """Of each Execute in a group its place and the SQL that it runs."""
    return [(at, portal.text) for at, portal in _portals(group, state)]


def _portals(group: Sequence[Message], state: Conversation) -> Iterator[tuple[int, Portal]]:
    parsed: dict[bytes, str] = {}
    bound: dict[bytes, Portal] = {}
    for at, message in enumerate(group):
        kind, body = message.kind, message.body or b""
        if kind == m.PARSE:
            name, behind = word(body)
            parsed[name] = word(body, behind)[0].decode("utf-8", "replace")
        elif kind == m.BIND:
            name, behind = word(body)
            statement = word(body, behind)[0]
            text = parsed.get(statement, state.statements.get(statement, UNKNOWN))
            bound[name] = Portal(text, body)
        elif kind == m.EXECUTE:
            name, _ = word(body)
            yield at, bound.get(name) or state.portals.get(name) or _UNKNOWN


class Where(NamedTuple):
    """Where a boundary crosses: see `Boundary`."""

    link: str
    connection: int
    ordinal: int


def boundary(means: Meaning, group: Sequence[Message], state: Conversation, where: Where) -> Boundary:
    """The group as a boundary."""
    return Boundary(
        link=where.link,
        protocol=WireProtocol.POSTGRES,
        connection=where.connection,
        ordinal=where.ordinal,
        verb=means.verb or sql.verb(means.statements[0]),
        text="; ".join(_once(means.statements)),
        shape="; ".join(_once([sql.shape(statement) for statement in means.statements])) + means.ending,
        values=means.values,
        statements=means.statements,
        in_transaction=state.in_transaction,
        backend_pid=state.pid,
        size_bytes=sum(len(message.raw) for message in group),
    )


def _once(texts: Sequence[str]) -> list[str]:
    """What is repeated in a row (executemany) counts once, however often."""
    return [one for at, one in enumerate(texts) if not at or one != texts[at - 1]]
