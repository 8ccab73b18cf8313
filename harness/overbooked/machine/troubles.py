"""Records failures of this machine and process; verdicts take them into account.

If a failure was noted during a trial, the verdict is inconclusive: a connection that this process could not
open looks like a refusal by the system, and requests that it could not send look like requests without a
finding.
"""

from __future__ import annotations

import errno
import time
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Final

_KEPT = 200
LIMITS: Final[Mapping[int, str]] = {
    errno.EMFILE: "this process has no file descriptor left; raise its limit (`ulimit -n`)",
    errno.ENFILE: "this machine has no file descriptor left; raise fs.file-max or end what holds them",
    errno.EADDRNOTAVAIL: "this machine has no local port left for another connection; run fewer at once, "
    "or widen net.ipv4.ip_local_port_range",
    errno.ENOMEM: "this machine has no memory left; end what uses it",
    errno.ENOBUFS: "this machine has no socket buffers left; run fewer at once",
}

_noted: deque[tuple[float, str]] = deque(maxlen=_KEPT)


def note(sentence: str) -> None:
    """Record a failure of this machine with the current time; callable from any thread."""
    _noted.append((time.monotonic(), sentence))


def note_limit(error: BaseException) -> bool:
    """Record an error if a limit of this machine caused it; return whether it did."""
    sentence = limit_of(error)
    if sentence:
        note(sentence)
    return bool(sentence)


def since(moment: float) -> tuple[str, ...]:
    """The failures noted since a time of `time.monotonic`, without duplicates."""
    return tuple(dict.fromkeys(sentence for at, sentence in list(_noted) if at >= moment))


def limit_of(error: BaseException) -> str:
    """A sentence that names the limit of this machine that caused an error and the remedy; "" if none did.

    Clients wrap the operating system's errors, so every cause and every member of a group is examined.
    """
    for each in _chain(error):
        if isinstance(each, OSError) and each.errno is not None and each.errno in LIMITS:
            return LIMITS[each.errno]
    return ""


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    rest: list[BaseException | None] = [error]
    while rest:
        each = rest.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        rest += [each.__cause__, each.__context__]
        if isinstance(each, BaseExceptionGroup):
            rest.extend(each.exceptions)
