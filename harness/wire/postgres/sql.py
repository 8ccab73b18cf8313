"""What can be seen in the text of an SQL statement without knowing the schema: verb, shape, parts."""

from __future__ import annotations

import re
from functools import lru_cache

_TOKEN = re.compile(
    r"""
    (?P<comment>--[^\n]*|/\*.*?(?:\*/|\Z))
  | (?P<string>[eE]'[^'\\]*(?:(?:\\.|'')[^'\\]*)*'
              |(?:[uU]&|[bBxXnN])?'[^']*(?:''[^']*)*'
              |(?P<tag>\$(?:[A-Za-z_\x80-\uffff][\w]*)?\$).*?(?P=tag))
  | (?P<quoted>"[^"]*(?:""[^"]*)*")
  | (?P<parameter>\$\d+)
  | (?P<number>\d+(?:\.\d*)?(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?)
  | (?P<word>[^\W\d][\w$]*)
  | (?P<space>\s+)
  | (?P<semicolon>;)
  | (?P<other>.)
    """,
    re.VERBOSE | re.DOTALL,
)
_ONE = r"(?:\?|\$\d+(?:::\w+(?: \w+)*(?:\[\])?)?)"
_MANY_IN = re.compile(rf"\bIN ?\( ?{_ONE}(?: ?, ?{_ONE})+ ?\)", re.IGNORECASE)
_MANY_ROWS = re.compile(r"(\bVALUES ?\([^()]*\))(?: ?, ?\([^()]*\))+", re.IGNORECASE)
_SAVEPOINT = re.compile(
    r"^(SAVEPOINT|RELEASE(?: SAVEPOINT)?|ROLLBACK.* TO(?: SAVEPOINT)?) \S+$", re.IGNORECASE
)
_ALIASES = {"START": "BEGIN", "END": "COMMIT", "ABORT": "ROLLBACK"}
# What a shape is made of, at most: a statement of megabytes is one of many literals.
_SHAPED = 16 * 1024


def split(text: str) -> tuple[str, ...]:
    """The statements in `text`, without what separates them; none where there are only comments."""
    bare = text.strip().rstrip("; \t\r\n")
    if ";" not in bare:
        return (bare,) if _first_words(bare) else ()
    parts: list[str] = []
    begin, empty = 0, True
    for token in _TOKEN.finditer(text):
        if token.lastgroup == "semicolon":
            if not empty:
                parts.append(text[begin : token.start()].strip())
            begin, empty = token.end(), True
        elif token.lastgroup not in {"space", "comment"}:
            empty = False
    if not empty:
        parts.append(text[begin:].strip())
    return tuple(parts)


def verb(statement: str) -> str:
    """`SELECT`, `INSERT`, `COMMIT` ...; synonyms of BEGIN, COMMIT and ROLLBACK by those names.

    `ROLLBACK TO` (a savepoint) and `PREPARE TRANSACTION` are verbs of their own.
    """
    return _verb(statement[:_SHAPED])


@lru_cache(maxsize=2048)
def _verb(statement: str) -> str:
    words = _first_words(statement)
    if not words:
        return ""
    first = _ALIASES.get(words[0], words[0])
    if first == "ROLLBACK" and "TO" in words[1:3]:
        return "ROLLBACK TO"
    if words[:2] == ["PREPARE", "TRANSACTION"]:
        return "PREPARE TRANSACTION"
    return first


def shape(statement: str) -> str:
    """The statement with literals, comments, savepoints' names and the lengths of lists taken out."""
    return _shape(statement[:_SHAPED])


@lru_cache(maxsize=2048)
def _shape(statement: str) -> str:
    def kept(token: re.Match[str]) -> str:
        kind = token.lastgroup
        if kind in {"string", "tag", "number"}:
            return "?"
        return " " if kind in {"comment", "space"} else token.group()

    text = " ".join(_TOKEN.sub(kept, statement).split())
    text = _MANY_IN.sub("IN (?)", text)
    text = _MANY_ROWS.sub(r"\1, ...", text)
    return _SAVEPOINT.sub(r"\1 ?", text)


_DEALLOCATE = re.compile(r'\bDEALLOCATE\s+(?:PREPARE\s+)?("(?:[^"]|"")+"|[\w$]+)', re.IGNORECASE)
_PREPARE = re.compile(
    r'\bPREPARE\s+("(?:[^"]|"")+"|[\w$]+)\s*(?:\([^)]*\)\s*)?AS\s+(.*)', re.IGNORECASE | re.DOTALL
)


def deallocated(text: str) -> list[bytes]:
    """The names in the DEALLOCATE statements of `text`."""
    return [_folded(found) for found in _DEALLOCATE.findall(text)]


def prepared(text: str) -> tuple[bytes, str] | None:
    """Name and statement of an SQL-level PREPARE."""
    found = _PREPARE.search(text)
    return (_folded(found[1]), found[2]) if found else None


def _folded(identifier: str) -> bytes:
    quoted = identifier.startswith('"')
    return (identifier[1:-1].replace('""', '"') if quoted else identifier.lower()).encode()


def _first_words(statement: str) -> list[str]:
    """Up to four leading words, in capitals; comments and parentheses before them do not count.
    A statement that begins with something else has that as its one word."""
    words: list[str] = []
    for token in _TOKEN.finditer(statement):
        kind = token.lastgroup
        if kind == "word":
            words.append(token.group().upper())
            if len(words) == 4:
                break
        elif kind in {"space", "comment"} or (not words and token.group() in {"(", ";"}):
            continue
        else:
            return words or [token.group()]
    return words
