"""Splits the commit of an autocommit statement from the statement.

A statement outside BEGIN commits when the server reads the Sync after it or, for a simple Query, at its end.
A keeper that orders commits gets two boundaries instead of one: the statement, with an effect that other
sessions cannot see yet, and its commit. In an extended group, a Flush is sent instead of the Sync, and the
Sync is held; the transaction is the server's implicit one, so every statement that is allowed in autocommit
can run in it. A simple Query is sent between the gate's own BEGIN and COMMIT. The client gets the same single
answer as without the split: an error at the commit replaces the statement's completion.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from overbooked.wire.gate.boundary import Boundary, CommitKeeper
from overbooked.wire.postgres import messages as m
from overbooked.wire.postgres import sql
from overbooked.wire.postgres.conversation import Conversation
from overbooked.wire.postgres.grouping import GroupInfo, Message, Where, boundary, executed_by, inspect_group
from overbooked.wire.postgres.messages import word

_FLUSH = Message(m.FLUSH, None, m.message(m.FLUSH), True)
_IDLE = ord("I")

CONTROL = frozenset(
    {
        "BEGIN",
        "COMMIT",
        "ROLLBACK",
        "ROLLBACK TO",
        "SAVEPOINT",
        "RELEASE",
        "PREPARE TRANSACTION",
    }
)
# Verbs that fail within a transaction block, or have another effect there than outside.
_NOT_IN_A_BLOCK = frozenset(
    {"VACUUM", "CLUSTER", "CHECKPOINT", "LOCK", "DECLARE", "DISCARD", "PREPARE TRANSACTION"}
)
# Verbs for which the commit changes nothing: the effect is complete with the answer, or local to the session.
_AT_ONCE = frozenset(
    {
        "SET",
        "RESET",
        "SHOW",
        "LISTEN",
        "UNLISTEN",
        "CLOSE",
        "FETCH",
        "MOVE",
        "DEALLOCATE",
        "PREPARE",
        "DISCARD",
        "CHECKPOINT",
    }
)
_NOT_IN_A_BLOCK_EITHER = re.compile(
    r"^(?:(?:CREATE|DROP|ALTER)\s+(?:DATABASE|TABLESPACE|SUBSCRIPTION)\b|ALTER\s+SYSTEM\b|.*\bCONCURRENTLY\b"
    r"|(?:COMMIT|ROLLBACK)\s+PREPARED\b|REINDEX\s+(?:\([^)]*\)\s*)?(?:DATABASE|SYSTEM|SCHEMA)\b)",
    re.IGNORECASE | re.DOTALL,
)
_ENDS_A_TRANSACTION = re.compile(r"\b(?:COMMIT|ROLLBACK|CALL|EXECUTE)\b", re.IGNORECASE)
_COPIES_IN = re.compile(r"\bFROM\s+STDIN\b", re.IGNORECASE)


class Parts(NamedTuple):
    """A group in two parts: `head` is sent first, `rest` waits as a separate group.

    For a simple Query, `wrapped` joins the answers to both parts.
    """

    head: list[Message]
    rest: list[Message]
    wrapped: Wrapped | None = None


class Unsplit(NamedTuple):
    """A group that is not split although it commits.

    `why` is a short reason; `unless` are the parts for a keeper that knows that the split is safe.
    """

    why: str
    unless: Parts | None = None


class Parted(NamedTuple):
    """The group of the first boundary, and the rest, which is the next group."""

    group: list[Message]
    means: GroupInfo
    asked: Boundary
    rest: Sequence[Message] = ()
    wrapped: Wrapped | None = None


def parted_by(
    keeper: CommitKeeper, group: list[Message], means: GroupInfo, asked: Boundary, state: Conversation
) -> Parted:
    """Split a group for a keeper that orders commits.

    Args:
        asked: the complete group as a boundary.
    """
    parts = part(group, means.statements, state)
    if parts is None:
        apart = group[-1].kind == m.FLUSH and commits_by_itself(group, means.statements, state)
        return Parted(group, means, replace(asked, commits_apart=apart))
    if not keeper.holds_commit_of(asked):
        return Parted(group, means, asked)
    if isinstance(parts, Unsplit):
        if parts.unless is None or not keeper.ends_no_transaction(asked):
            return Parted(group, means, replace(asked, unsplit=parts.why))
        parts = parts.unless
    apart = commits_by_itself(group, means.statements, state)
    client = [one for one in parts.head if one.kind != m.QUERY or not one.ours]
    first = inspect_group(client, state) or means
    where = Where(asked.link, asked.connection, asked.ordinal)
    made = replace(boundary(first, client, state, where), commits_apart=apart)
    return Parted(parts.head, first, made, parts.rest, parts.wrapped)


def commits_by_itself(group: Sequence[Message], statements: Sequence[str], state: Conversation) -> bool:
    """Whether the group ends a transaction that began without BEGIN, and its commit has an effect."""
    last = group[-1].kind
    verbs = {sql.verb(statement) for statement in statements}
    if last not in {m.SYNC, m.FLUSH, m.QUERY} or state.status != _IDLE or verbs <= _AT_ONCE:
        return False
    if last == m.QUERY:
        return not state.implicit and verbs.isdisjoint(CONTROL)
    return verbs.isdisjoint(CONTROL)


def part(group: Sequence[Message], statements: Sequence[str], state: Conversation) -> Parts | Unsplit | None:
    """Split the commit from `group`; None if the group has no commit or consists of a commit only.

    Args:
        statements: the statements that the group executes.
    """
    last = group[-1].kind
    if last == m.QUERY:
        return _query(group[0], statements, state) if len(group) == 1 else None
    if last == m.CALL and state.status == _IDLE:
        return Unsplit("a FunctionCall commits as it ends")
    if last not in {m.SYNC, m.FLUSH}:
        return None
    if at := _explicit(group, state):
        return Parts([*group[:at], _FLUSH], list(group[at:]))
    if last == m.SYNC and commits_by_itself(group, statements, state):
        return Parts([*group[:-1], _FLUSH], [group[-1]])
    return None


def _explicit(group: Sequence[Message], state: Conversation) -> int:
    """The index of the first message of a COMMIT in a pipeline; 0 if there is none or nothing precedes it."""
    begin = 0
    for at, text in executed_by(group, state):
        if begin and sql.verb(text) == "COMMIT":
            return begin
        begin = at + 1
    return 0


def _query(query: Message, statements: Sequence[str], state: Conversation) -> Parts | Unsplit | None:
    verbs = [sql.verb(statement) for statement in statements]
    if "COMMIT" in verbs[1:]:
        return _own_commit(query, statements, verbs)
    if not commits_by_itself([query], statements, state):
        return None
    if any(_only_outside(verb, text) for verb, text in zip(verbs, statements, strict=True)):
        return Unsplit("it cannot run within a transaction block")
    if any(verb == "COPY" and _COPIES_IN.search(text) for verb, text in zip(verbs, statements, strict=True)):
        return Unsplit("its data follow in separate messages")
    parts = Parts([_statement("BEGIN"), query], [_statement("COMMIT")], Wrapped(begun_here=True))
    return Unsplit("a procedure may commit", parts) if "CALL" in verbs else parts


def _own_commit(query: Message, statements: Sequence[str], verbs: Sequence[str]) -> Parts | Unsplit | None:
    """Split `BEGIN; ...; COMMIT` in one Query before its COMMIT."""
    if set(verbs[1:-1]) & {"COMMIT", "ROLLBACK", "BEGIN"} or sql.shape(statements[-1]).upper() not in {
        "COMMIT",
        "END",
        "COMMIT TRANSACTION",
        "END TRANSACTION",
        "COMMIT WORK",
        "END WORK",
    }:
        return Unsplit("it ends a transaction in its middle")
    text = word(query.body or b"")[0].decode("utf-8", "surrogateescape")
    before = text[: text.rindex(statements[-1])]
    head = before.encode("utf-8", "surrogateescape") + b"\0"
    return Parts(
        [Message(m.QUERY, head, m.message(m.QUERY, head))],
        [_statement("COMMIT")],
        Wrapped(begun_here=False),
    )


def _only_outside(verb: str, text: str) -> bool:
    if verb == "DO":
        return bool(_ENDS_A_TRANSACTION.search(text))
    return verb in _NOT_IN_A_BLOCK or bool(_NOT_IN_A_BLOCK_EITHER.match(sql.shape(text)))


def _statement(text: str) -> Message:
    body = text.encode() + b"\0"
    return Message(m.QUERY, body, m.message(m.QUERY, body), True)


ROLLBACK = _statement("ROLLBACK")
TERMINATE = Message(m.TERMINATE, None, m.message(m.TERMINATE), True)


class Heard(NamedTuple):
    """What happens to a server message: whether it is dropped, and bytes that the client gets first."""

    dropped: bool
    before: bytes = b""


class Wrapped:
    """Joins the answers to the statements into which a Query was split.

    Call `heard` with the server's messages in order; `over` is true after the last one.

    Args:
        begun_here: true if BEGIN and COMMIT are the gate's, false if only the Query's own COMMIT was split
            off.
    """

    __slots__ = ("_begun_here", "_complete", "_left", "failed")

    def __init__(self, *, begun_here: bool) -> None:
        self._begun_here = begun_here
        self._left = 3 if begun_here else 2  # missing ReadyForQuery messages
        self._complete = b""  # the completion of the last statement, until its commit succeeds
        self.failed = False

    @property
    def over(self) -> bool:
        """Whether everything has been answered."""
        return not self._left

    @property
    def needs_rollback(self) -> bool:
        """Whether the statement has failed within the gate's own transaction."""
        return self.failed and self._begun_here and self._left == 1

    @property
    def at_commit(self) -> bool:
        """Whether the statement has been answered and the end of its transaction has not."""
        return self._left == 1

    def heard(self, kind: int, body: bytes | None) -> Heard:
        """Process the next message of the server."""
        if kind == m.READY:
            return self._ready()
        if kind == m.COMPLETE:
            return self._completed(body or b"")
        if kind == m.ERROR:
            before, self._complete = self._complete, b""
            if self._left == 1:
                return Heard(False, b"" if self._begun_here else before)
            self.failed = True
            return Heard(False, before)
        if self._left == 2 or not self._begun_here:
            before, self._complete = self._complete, b""
            return Heard(False, before)
        return Heard(False)

    def _ready(self) -> Heard:
        self._left -= 1
        if self._left == 1 and self.failed and not self._begun_here:
            self._left = 0  # without the split, too, the server would have executed nothing after the error
        return Heard(bool(self._left))

    def _completed(self, body: bytes) -> Heard:
        if self._begun_here and self._left == 3:
            return Heard(True)  # BEGIN
        before, self._complete = self._complete, b""
        if self._left == 1:
            return Heard(self._begun_here, before)  # the end of the transaction
        self._complete = m.message(m.COMPLETE, body)
        return Heard(True, before)
