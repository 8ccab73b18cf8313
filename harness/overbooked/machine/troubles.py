"""What went wrong on this machine, in this process: noted where it happens, read where verdicts are made.

A verdict during which something was noted here is inconclusive, whatever was seen: a connection that this
process could not open looks like a refusal of the system, a burst that it could not send like a calm one.
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
    """Note that something went wrong here, now; from any thread."""
    _noted.append((time.monotonic(), sentence))


def note_limit(error: BaseException) -> bool:
    """Note an error that a limit of this machine caused; False where it was something else's doing."""
    sentence = limit_of(error)
    if sentence:
        note(sentence)
    return bool(sentence)


def since(moment: float) -> tuple[str, ...]:
    """What has been noted since a moment of `time.monotonic`, each once."""
    return tuple(dict.fromkeys(sentence for at, sentence in list(_noted) if at >= moment))


def limit_of(error: BaseException) -> str:
    """The limit of this machine that caused an error, and what to do; "" where none did.

    Clients wrap what the operating system said; every cause and every member of a group is looked at.
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
