"""Injects an error for a Redis command in its session, so that client and server agree on the outcome.

Outside MULTI the command is not sent and the client gets the error. Within MULTI the server must see the
failure too: it gets a command that it cannot queue, so that EXEC aborts, as after a real error.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from overbooked.errors import NotSupported
from overbooked.wire.redis.commands import NOT_QUEUED

_CODE = re.compile(r"[A-Z][A-Z0-9_]*")
_MESSAGES = {
    "BUSY": "Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.",
    "CLUSTERDOWN": "The cluster is down",
    "LOADING": "Redis is loading the dataset in memory",
    "MASTERDOWN": "Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
    "MISCONF": "Redis is configured to save RDB snapshots, but it's currently unable to persist to disk.",
    "NOAUTH": "Authentication required.",
    "NOREPLICAS": "Not enough good replicas to write.",
    "NOSCRIPT": "No matching script. Please use EVAL.",
    "OOM": "command not allowed when used memory > 'maxmemory'.",
    "READONLY": "You can't write against a read only replica.",
    "TRYAGAIN": "Multiple keys request during rehashing of slot",
    "WRONGTYPE": "Operation against a key holding the wrong kind of value",
}
_SPOILER = b"OVERBOOKED.REFUSED"  # an unknown command, so that the server aborts the transaction


@dataclass(frozen=True, slots=True)
class Refusal:
    """The answer to the client, and the command sent to the server instead (None: no command)."""

    answer: bytes
    instead: tuple[bytes, ...] | None = None


def refusal(name: bytes, code: str, message: str, *, in_multi: bool) -> Refusal:
    """Build the refusal of a command.

    Args:
        name: the command's name in upper case.
        code: the error's first word; "" means ERR.
        message: the rest of the error; "" means Redis's own text for that code.

    Raises:
        NotSupported: the command is MULTI, which a running server does not refuse.
        ValueError: the code cannot be the first word of an error.
    """
    code = code or "ERR"
    if not _CODE.fullmatch(code):
        raise ValueError(f"the code of a Redis error is a word in upper case such as LOADING, got {code!r}")
    said = " ".join((message or _MESSAGES.get(code, "refused by the gate")).split())
    error = f"{code} {said}"
    if name == b"MULTI":
        raise NotSupported(
            "a running server does not refuse MULTI: the commands after it would run outside a "
            "transaction; fail one of these, or EXEC, instead"
        )
    if not in_multi:
        return Refusal(_line(error))
    if name == b"EXEC":
        if code != "EXECABORT":
            error = f"EXECABORT Transaction discarded because of: {error}"
        return Refusal(_line(error), (b"DISCARD",))
    if name in NOT_QUEUED:
        return Refusal(_line(error))
    return Refusal(_line(error), (_SPOILER,))


def encoded(args: tuple[bytes, ...]) -> bytes:
    """Encode a command as a RESP array of bulk strings."""
    return b"*%d\r\n" % len(args) + b"".join(b"$%d\r\n%b\r\n" % (len(arg), arg) for arg in args)


def _line(error: str) -> bytes:
    return b"-" + error.encode() + b"\r\n"
