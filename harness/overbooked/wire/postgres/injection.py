"""A true error in the client's own session, so that client and server agree on what happened.

In place of the first Execute of a group the server gets a statement of ours that raises: it answers with
an error of its own, its transaction has failed and its savepoints are there. A COMMIT fails as a COMMIT
does: the transaction is rolled back, the error comes outside of any. What the client asked before its
Execute is sent and answered truly; what stands behind it the server discards, as after any error.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from overbooked.errors import NotSupported
from overbooked.wire.postgres import messages as m
from overbooked.wire.postgres import sql
from overbooked.wire.postgres.conversation import Conversation
from overbooked.wire.postgres.grouping import Meaning, Message

DEFAULT_CODE = "XX000"
_COMMITS = frozenset({"COMMIT", "PREPARE TRANSACTION"})
_EXTENDED = frozenset({m.PARSE, m.BIND, m.DESCRIBE, m.CLOSE})


class Step(NamedTuple):
    """A message to send instead, the gate's own or the client's."""

    message: Message
    ours: bool


class Injection(NamedTuple):
    """What is sent instead of a group, and the statements of ours to close afterwards. `rewritten` is
    the error to put in place of the server's own."""

    steps: tuple[Step, ...]
    statements: tuple[bytes, ...] = ()
    rewritten: tuple[str, str] | None = None


def inject(
    group: Sequence[Message], means: Meaning, state: Conversation, *, code: str, text: str, number: int
) -> Injection:
    """What to send instead of `group` so that it fails with SQLSTATE `code`.

    Args:
        number: makes the names of our statements unique in their session.

    Raises:
        NotSupported: this group cannot fail so.
    """
    code = code or DEFAULT_CODE
    text = text or "injected by the gate"
    if not m.is_sqlstate(code):
        raise NotSupported(f"{code!r} is no SQLSTATE: five digits or capital letters, not 00000")
    if state.in_failed_transaction:
        raise NotSupported("its transaction has already failed: the server answers 25P02 by itself")
    if group[0].kind in {m.COPY_DONE, m.COPY_FAIL}:
        fails = Message(m.COPY_FAIL, None, m.message(m.COPY_FAIL, m.plain(text) + b"\0"))
        return Injection((Step(fails, False), *(Step(one, False) for one in group[1:])), (), (code, text))
    verb = means.verb or sql.verb(means.statements[0])
    if verb == "ROLLBACK":
        raise NotSupported("a ROLLBACK does not fail: reset its connection instead")
    name = f"_overbooked_gate_{number}".encode()
    steps: list[Step] = []
    for message in group:
        if message.kind not in _EXTENDED:
            break
        steps.append(Step(message, False))
    names = [name]
    if verb in _COMMITS and state.status == ord("T"):
        names.append(name + b"_rollback")
        steps += _execute(names[1], b"ROLLBACK")
    steps += _execute(name, _raise(code, text))
    last = group[-1]
    sync = Message(m.SYNC, None, m.message(m.SYNC))
    steps.append(Step(last if last.kind in {m.SYNC, m.FLUSH} else sync, False))
    return Injection(tuple(steps), tuple(names))


def close(statements: Sequence[bytes]) -> list[Step]:
    """What to send to be rid of our statements, between two groups of the client's."""
    steps = [_ours(m.CLOSE, b"S" + name + b"\0") for name in statements]
    return [*steps, _ours(m.SYNC, b"")]


def _raise(code: str, text: str) -> bytes:
    said = m.plain(text).replace(b"\\", b"\\\\").replace(b"'", b"''").replace(b"$", b"\\044")
    return b"DO $overbooked$BEGIN RAISE EXCEPTION USING ERRCODE = '%s', MESSAGE = E'%s'; END$overbooked$" % (
        code.encode(),
        said,
    )


def _execute(name: bytes, statement: bytes) -> list[Step]:
    return [
        _ours(m.PARSE, name + b"\0" + statement + b"\0\0\0"),
        _ours(m.BIND, b"\0" + name + b"\0" + b"\0\0" * 3),
        _ours(m.EXECUTE, b"\0" + b"\0" * 4),
    ]


def _ours(kind: int, body: bytes) -> Step:
    return Step(Message(kind, body, m.message(kind, body)), True)
