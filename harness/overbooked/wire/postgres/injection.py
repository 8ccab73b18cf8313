"""Injects a real error into the client's session, so that client and server agree on the outcome.

Instead of the first Execute of a group, the server gets a statement that raises: it answers with its own
error, its transaction has failed, and its savepoints still exist. A COMMIT fails as in a real failure: the
transaction is rolled back, and the error occurs outside a transaction. Messages before the Execute are sent
and answered normally; the server discards those after it, as after any error.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from overbooked.errors import NotSupported
from overbooked.wire.postgres import messages as m
from overbooked.wire.postgres import sql
from overbooked.wire.postgres.conversation import Conversation
from overbooked.wire.postgres.grouping import GroupInfo, Message

DEFAULT_CODE = "XX000"
_COMMITS = frozenset({"COMMIT", "PREPARE TRANSACTION"})
_EXTENDED = frozenset({m.PARSE, m.BIND, m.DESCRIBE, m.CLOSE})


class InjectionStep(NamedTuple):
    """A message to send instead; `ours` if it is the gate's own and not the client's."""

    message: Message
    ours: bool


class ErrorInjection(NamedTuple):
    """The messages that replace a group, and the names of the gate's statements to close afterwards.

    `rewritten` is the SQLSTATE and text that replace those of the server's error.
    """

    steps: tuple[InjectionStep, ...]
    statements: tuple[bytes, ...] = ()
    rewritten: tuple[str, str] | None = None


def inject(
    group: Sequence[Message], means: GroupInfo, state: Conversation, *, code: str, text: str, number: int
) -> ErrorInjection:
    """Build the messages to send instead of `group` so that it fails with SQLSTATE `code`.

    Args:
        number: makes the names of the gate's statements unique in their session.

    Raises:
        NotSupported: this group cannot fail with this error.
    """
    code = code or DEFAULT_CODE
    text = text or "injected by the gate"
    if not m.is_sqlstate(code):
        raise NotSupported(f"{code!r} is not a SQLSTATE: five digits or capital letters, not 00000")
    if state.in_failed_transaction:
        raise NotSupported("its transaction has already failed: the server answers 25P02 by itself")
    if group[0].kind in {m.COPY_DONE, m.COPY_FAIL}:
        fails = Message(m.COPY_FAIL, None, m.message(m.COPY_FAIL, m.plain(text) + b"\0"))
        return ErrorInjection(
            (InjectionStep(fails, False), *(InjectionStep(one, False) for one in group[1:])), (), (code, text)
        )
    verb = means.verb or sql.verb(means.statements[0])
    if verb == "ROLLBACK":
        raise NotSupported("a ROLLBACK does not fail: reset its connection instead")
    name = f"_overbooked_gate_{number}".encode()
    steps: list[InjectionStep] = []
    for message in group:
        if message.kind not in _EXTENDED:
            break
        steps.append(InjectionStep(message, False))
    names = [name]
    if verb in _COMMITS and state.status == ord("T"):
        names.append(name + b"_rollback")
        steps += _execute(names[1], b"ROLLBACK")
    steps += _execute(name, _raise(code, text))
    last = group[-1]
    sync = Message(m.SYNC, None, m.message(m.SYNC))
    steps.append(InjectionStep(last if last.kind in {m.SYNC, m.FLUSH} else sync, False))
    return ErrorInjection(tuple(steps), tuple(names))


def close(statements: Sequence[bytes]) -> list[InjectionStep]:
    """Build the messages that close the gate's statements; they are sent between two client groups."""
    steps = [_ours(m.CLOSE, b"S" + name + b"\0") for name in statements]
    return [*steps, _ours(m.SYNC, b"")]


def _raise(code: str, text: str) -> bytes:
    said = m.plain(text).replace(b"\\", b"\\\\").replace(b"'", b"''").replace(b"$", b"\\044")
    return b"DO $overbooked$BEGIN RAISE EXCEPTION USING ERRCODE = '%s', MESSAGE = E'%s'; END$overbooked$" % (
        code.encode(),
        said,
    )


def _execute(name: bytes, statement: bytes) -> list[InjectionStep]:
    return [
        _ours(m.PARSE, name + b"\0" + statement + b"\0\0\0"),
        _ours(m.BIND, b"\0" + name + b"\0" + b"\0\0" * 3),
        _ours(m.EXECUTE, b"\0" + b"\0" * 4),
    ]


def _ours(kind: int, body: bytes) -> InjectionStep:
    return InjectionStep(Message(kind, body, m.message(kind, body)), True)
