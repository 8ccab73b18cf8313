"""Groups of messages on which the server acts together, and the boundary for each group."""

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
# A portal with a Bind that the gate has not seen: its effect is unknown, so its Execute is held.
_UNKNOWN = Portal(UNKNOWN, b"")


class Message(NamedTuple):
    """One message of the client, or of the gate itself (`ours`); `body` is None if the framer drops it."""

    kind: int
    body: bytes | None
    raw: bytes
    ours: bool = False


class Queue:
    """The client's unsent messages, split into groups on demand."""

    __slots__ = ("_ends", "_messages", "_taken", "size_bytes")

    def __init__(self) -> None:
        self._messages: deque[Message] = deque()
        self._taken = 0  # the number of messages taken so far
        self._ends: deque[int] = deque()  # the message numbers, by the same count, that end a group
        self.size_bytes = 0

    def __bool__(self) -> bool:
        return bool(self._messages)

    def put(self, message: Message) -> None:
        if message.kind not in _SERIES:
            self._ends.append(self._taken + len(self._messages))
        self._messages.append(message)
        self.size_bytes += len(message.raw)

    def take(self, state: Conversation) -> list[Message]:
        """Remove and return the next group; empty while it is incomplete.

        Args:
            state: the session's state. During a COPY the server ignores everything except its data; the Sync
                after the end of the data belongs to the COPY unless a Query started it.
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
        """Remove and return all messages, including incomplete groups."""
        return self._cut(len(self._messages))

    def drop(self) -> list[Message]:
        """Drop all messages; return the Terminate message, if there is one."""
        return [message for message in self.take_all() if message.kind == m.TERMINATE]

    def put_back(self, messages: Sequence[Message]) -> None:
        """Put messages back at the front of the queue."""
        self._taken -= len(messages)
        for at in range(len(messages) - 1, -1, -1):
            if messages[at].kind not in _SERIES:
                self._ends.appendleft(self._taken + at)
        self._messages.extendleft(reversed(messages))
        self.size_bytes += sum(len(message.raw) for message in messages)

    def drop_ours(self) -> bool:
        """Remove the gate's own messages from the front; return whether there were any."""
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
class GroupInfo:
    """The statements that a group executes, and the parameters of the first one."""

    statements: tuple[str, ...]
    values: tuple[str | None, ...] = ()
    verb: str = ""
    ending: str = ""  # appended to the shape: the end of a COPY, a commit by Sync


def inspect_group(group: Sequence[Message], state: Conversation) -> GroupInfo | None:
    """Determine what `group` executes in this state; None if it executes nothing.

    The end of a COPY's data is a boundary even if the COPY has failed already: whether the server's error or
    the client's end arrives first depends on timing, and boundaries must not depend on timing.
    """
    first = group[0].kind
    if first in {m.COPY_DONE, m.COPY_FAIL}:
        if state.copying_in:
            return GroupInfo((state.copied,), ending=_END_OF_DATA)
        if state.broken_copy:
            return GroupInfo((state.broken_copy.text,), ending=_END_OF_DATA)
    if state.skipping:
        return None  # the server discards it up to Sync
    if first in _COPY or first in {m.TERMINATE, m.PASSWORD} or state.copying_in:
        return None
    statements, values = _executed(group, state)
    if statements:
        return GroupInfo(tuple(statements), values, ending=" (Query)" if group[0].ours else "")
    if group[-1].kind == m.CALL:
        return GroupInfo(("function call",), verb="CALL")
    if group[-1].kind == m.SYNC and state.implicit and state.status == ord("I"):
        return GroupInfo(("COMMIT",), verb="COMMIT", ending=" (Sync)")
    return None


def ending() -> GroupInfo:
    """The group info of the end of a session, which releases its locks."""
    return GroupInfo(("TERMINATE",), verb="TERMINATE")


def _executed(group: Sequence[Message], state: Conversation) -> tuple[list[str], tuple[str | None, ...]]:
    """The non-empty statements that a group executes, and the parameters of the first."""
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
    """The index and the SQL of each Execute in a group."""
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
    """The link, connection and ordinal of a boundary; see `Boundary`."""

    link: str
    connection: int
    ordinal: int


def boundary(means: GroupInfo, group: Sequence[Message], state: Conversation, where: Where) -> Boundary:
    """Create the boundary for a group."""
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
    """Collapse consecutive repetitions (executemany) into one."""
    return [one for at, one in enumerate(texts) if not at or one != texts[at - 1]]
