"""How a Redis command fails in the session, so that client and server agree on what happened.

Outside MULTI it is not sent and the error answered. Within MULTI the server must know too: a command
that it cannot queue is sent instead, so that EXEC aborts, as it would have.
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
_SPOILER = b"OVERBOOKED.REFUSED"  # no server knows it, so that it spoils the transaction


@dataclass(frozen=True, slots=True)
class Refusal:
    """What the client is told, and what the server is sent instead of the command; None: nothing."""

    answer: bytes
    instead: tuple[bytes, ...] | None = None


def refusal(name: bytes, code: str, message: str, *, in_multi: bool) -> Refusal:
    """How this command is refused.

    Args:
        name: the command's name in upper case.
        code: the error's first word; "" is ERR.
        message: what follows it; "" is what Redis says with that code.

    Raises:
        NotSupported: MULTI is not refused by a server that goes on.
        ValueError: the code is no error's first word.
    """
    code = code or "ERR"
    if not _CODE.fullmatch(code):
        raise ValueError(f"a Redis error begins with a word in upper case such as LOADING, not {code!r}")
    said = " ".join((message or _MESSAGES.get(code, "refused by the gate")).split())
    error = f"{code} {said}"
    if name == b"MULTI":
        raise NotSupported(
            "a server that goes on does not refuse MULTI: the commands after it would run outside a "
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
    """A command as an array of bulk strings."""
    return b"*%d\r\n" % len(args) + b"".join(b"$%d\r\n%b\r\n" % (len(arg), arg) for arg in args)


def _line(error: str) -> bytes:
    return b"-" + error.encode() + b"\r\n"
