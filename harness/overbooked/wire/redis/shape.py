"""The text of a command, and its shape: keys without ids, values as `?`."""

from __future__ import annotations

import hashlib
import re
from itertools import groupby

from overbooked.wire.gate.ids import without_ids
from overbooked.wire.redis.commands import SUBSCRIBING, verb_of

_TEXT_LIMIT_CHARS = 4096
_PLAIN = re.compile(r"[^\s\"'\\]+")


def _names(line: str) -> frozenset[str]:
    return frozenset(line.split())


# Options are kept in a shape; any other argument that is not a key is a value.
_OPTIONS = _names(
    "EX PX EXAT PXAT NX XX GT LT CH INCR KEEPTTL GET PERSIST LIMIT WITHSCORES WITHSCORE REV "
    "BYSCORE BYLEX MATCH COUNT TYPE STREAMS BLOCK GROUP NOACK MKSTREAM MAXLEN MINID ASC DESC BY "
    "STORE ALPHA AGGREGATE WEIGHTS SUM MIN MAX LEFT RIGHT BEFORE AFTER REPLACE COPY DB ABSTTL SYNC "
    "ASYNC ANY FROMMEMBER FROMLONLAT BYRADIUS BYBOX M KM FT MI WITHCOORD WITHDIST"
)
_ALL_KEYS = _names(
    "DEL UNLINK EXISTS TOUCH MGET WATCH SINTER SUNION SDIFF SINTERSTORE SUNIONSTORE SDIFFSTORE PFCOUNT "
    "PFMERGE RENAME RENAMENX RPOPLPUSH"
) | {name.decode() for name in SUBSCRIBING}
_KEYS_BUT_LAST = _names("BLPOP BRPOP BZPOPMIN BZPOPMAX BRPOPLPUSH")
_TWO_KEYS = _names("LMOVE BLMOVE SMOVE COPY")
_EVERY_OTHER = _names("MSET MSETNX")
_COUNTED_SECOND = _names("EVAL EVALSHA EVAL_RO EVALSHA_RO FCALL FCALL_RO")  # NAME numkeys key ...
_COUNTED_FIRST = _names("ZUNION ZINTER ZDIFF LMPOP ZMPOP SINTERCARD ZINTERCARD")
_NO_KEYS = _names(
    "PING ECHO SELECT AUTH HELLO QUIT RESET MULTI EXEC DISCARD UNWATCH INFO TIME DBSIZE FLUSHALL FLUSHDB "
    "SCAN KEYS WAIT COMMAND CONFIG CLIENT SWAPDB SHUTDOWN SAVE BGSAVE LASTSAVE ROLE RANDOMKEY"
)


def decoded(args: tuple[bytes, ...]) -> tuple[str, ...]:
    """Decode arguments as text; bytes that are not UTF-8 become `\\xff` escapes."""
    return tuple(arg.decode("utf-8", "backslashreplace") for arg in args)


def text_of(words: tuple[str, ...]) -> str:
    """The command on one line, with quotes where needed, truncated to 4096 characters."""
    line = " ".join(word if _PLAIN.fullmatch(word) else repr(word) for word in words)
    return line if len(line) <= _TEXT_LIMIT_CHARS else line[:_TEXT_LIMIT_CHARS] + "..."


def key_places(words: tuple[str, ...]) -> frozenset[int] | None:
    """The indices of the arguments that are keys or channels (the name has index 0); None if unknown."""
    name, size = words[0].upper(), len(words)
    if name in _NO_KEYS:
        return frozenset()
    if name in _ALL_KEYS:
        return frozenset(range(1, size))
    if name in _KEYS_BUT_LAST:
        return frozenset(range(1, size - 1))
    if name in _TWO_KEYS:
        return frozenset(range(1, min(size, 3)))
    if name in _EVERY_OTHER:
        return frozenset(range(1, size, 2))
    if name in _COUNTED_SECOND:
        return _counted(words, 2)
    if name in _COUNTED_FIRST:
        return _counted(words, 1)
    if name in {"XREAD", "XREADGROUP"}:
        return _streams(words)
    if " " in verb_of(tuple(word.encode() for word in words[:2])):
        return frozenset({2} if name in {"OBJECT", "XGROUP", "XINFO", "MEMORY"} and size > 2 else ())
    return frozenset({1} if size > 1 else ())


def _counted(words: tuple[str, ...], at: int) -> frozenset[int] | None:
    if len(words) <= at or not words[at].isdigit():
        return None
    return frozenset(range(at + 1, min(len(words), at + 1 + int(words[at]))))


def _streams(words: tuple[str, ...]) -> frozenset[int] | None:
    upper = [word.upper() for word in words]
    if "STREAMS" not in upper:
        return None
    first = upper.index("STREAMS") + 1
    return frozenset(range(first, first + (len(words) - first) // 2))


def shape_of(words: tuple[str, ...]) -> str:
    """The command with ids removed from its keys, values replaced by `?` and repetitions collapsed.

    A script is represented by the first 12 digits of its SHA-1, for EVAL as for EVALSHA.
    """
    name = words[0].upper()
    keys = key_places(words) or frozenset()
    parts = []
    for place, word in enumerate(words[1:], 1):
        if place in keys:
            parts.append(without_ids(word))
        elif name.startswith("EVALSHA") and place == 1:
            parts.append(word.lower()[:12])
        elif (name in {"EVAL", "EVAL_RO"} and place == 1) or (name == "SCRIPT" and place == 2):
            parts.append(hashlib.sha1(word.encode(), usedforsecurity=False).hexdigest()[:12])
        elif word.upper() in _OPTIONS or (place == 1 and " " in verb_of(_raw(words))):
            parts.append(word.upper())
        elif name in _COUNTED_SECOND and place < 3:  # the function's name or the number of keys
            parts.append(word)
        else:
            parts.append("?")
    return " ".join([name, *(part for part, _ in groupby(parts))])


def _raw(words: tuple[str, ...]) -> tuple[bytes, ...]:
    return tuple(word.encode() for word in words[:2])
