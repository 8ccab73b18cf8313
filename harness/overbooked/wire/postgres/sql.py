"""Properties of SQL statements that need no schema: verb, shape, parts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

# Tokens as in PostgreSQL's lexer. Possessive quantifiers (`*+`) do not backtrack, so that an unterminated
# string is not split at a doubled quote in it.
_TOKEN = re.compile(
    r"""
    (?P<line>--[^\n\r]*)
  | (?P<block>/\*)
  | (?P<string>[eE]'[^'\\]*+(?:(?:\\.|'')[^'\\]*+)*+'
              |(?:[uU]&|[bBxXnN])?'[^']*+(?:''[^']*+)*+'
              |(?P<tag>\$(?:[A-Za-z_\x80-\U0010ffff][A-Za-z0-9_\x80-\U0010ffff]*)?\$).*?(?P=tag))
  | (?P<quoted>"[^"]*+(?:""[^"]*+)*+")
  | (?P<unended>(?:[eEbBxXnN]|[uU]&)?'.*|".*|\$(?:[A-Za-z_\x80-\U0010ffff][A-Za-z0-9_\x80-\U0010ffff]*)?\$.*)
  | (?P<parameter>\$[0-9]+)
  | (?P<number>[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?|\.[0-9]+(?:[eE][+-]?[0-9]+)?)
  | (?P<word>[A-Za-z_\x80-\U0010ffff][A-Za-z0-9_$\x80-\U0010ffff]*)
  | (?P<space>[ \t\n\r\f\v]+)
  | (?P<semicolon>;)
  | (?P<other>.)
    """,
    re.VERBOSE | re.DOTALL,
)
SPACES = " \t\n\r\f\v"
_BLOCK_EDGE = re.compile(r"/\*|\*/")
_ONE = r"(?:\?|\$\d+(?:::\w+(?: \w+)*(?:\[\])?)?)"
_MANY_IN = re.compile(rf"\bIN ?\( ?{_ONE}(?: ?, ?{_ONE})+ ?\)", re.IGNORECASE)
_MANY_ROWS = re.compile(r"(\bVALUES ?\([^()]*\))(?: ?, ?\([^()]*\))+", re.IGNORECASE)
_SAVEPOINT = re.compile(
    r"^(SAVEPOINT|RELEASE(?: SAVEPOINT)?|ROLLBACK.* TO(?: SAVEPOINT)?) \S+$", re.IGNORECASE
)
_KEPT = {
    "string": "?",
    "number": "?",
    "comment": " ",
    "space": " ",
}  # tokens of other kinds are kept as they are
_ALIASES = {"START": "BEGIN", "END": "COMMIT", "ABORT": "ROLLBACK"}
# A shape is made of at most this many characters: a statement of megabytes consists of literals mostly.
_SHAPED = 16 * 1024


class Token(NamedTuple):
    """A piece of SQL: `comment`, `space`, `string`, `quoted`, `word`, `number` ..., from `begin` to `end`."""

    kind: str
    text: str
    begin: int
    end: int


def tokens(text: str) -> Iterator[Token]:
    """Yield tokens like PostgreSQL's lexer: comments nest, an unclosed token extends to the end."""
    at = 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        assert found is not None, "any character is a piece"
        kind, end = found.lastgroup or "other", found.end()
        if kind == "block":
            kind, end = "comment", _end_of_block(text, end)
        elif kind == "line":
            kind = "comment"
        elif kind in {"tag", "unended"}:
            kind = "string"
        yield Token(kind, text[at:end], at, end)
        at = end


def _end_of_block(text: str, at: int) -> int:
    depth = 1
    for edge in _BLOCK_EDGE.finditer(text, at):
        depth += 1 if edge.group() == "/*" else -1
        if not depth:
            return edge.end()
    return len(text)


def split(text: str) -> tuple[str, ...]:
    """Split `text` into statements, without separators; empty if it has only comments.

    Semicolons in parentheses (the actions of a rule) and in a function's BEGIN ATOMIC ... END do not
    separate statements.
    """
    bare = text.strip(SPACES).rstrip(";" + SPACES)
    if ";" not in bare:
        return (bare,) if _first_words(bare) else ()
    parts: list[str] = []
    begin, empty, nesting = 0, True, _Nesting()
    for token in tokens(text):
        if token.kind == "semicolon" and not nesting.deep:
            if not empty:
                parts.append(text[begin : token.begin].strip(SPACES))
            begin, empty, nesting = token.end, True, _Nesting()
        elif token.kind not in {"space", "comment"}:
            empty = empty and token.kind == "semicolon"
            nesting.take(token)
    if not empty:
        parts.append(text[begin:].strip(SPACES))
    return tuple(parts)


class _Nesting:
    """The nesting depth of a statement in parentheses and routine bodies, as psql counts it."""

    __slots__ = ("_bodies", "_parentheses", "_words")

    def __init__(self) -> None:
        self._words: list[str] = []  # the first four words
        self._parentheses = self._bodies = 0

    @property
    def deep(self) -> bool:
        return self._parentheses > 0 or self._bodies > 0

    def take(self, token: Token) -> None:
        if token.text == "(":
            self._parentheses += 1
        elif token.text == ")":
            self._parentheses = max(0, self._parentheses - 1)
        elif token.kind == "word":
            word = token.text.upper()
            if len(self._words) < 4:
                self._words.append(word)
            if self._parentheses or not self._makes_routine:
                return
            if word == "BEGIN" or (word == "CASE" and self._bodies):
                self._bodies += 1
            elif word == "END":
                self._bodies = max(0, self._bodies - 1)

    @property
    def _makes_routine(self) -> bool:
        words = self._words
        if words[1:3] == ["OR", "REPLACE"]:
            words = [words[0], *words[3:]]
        return words[:1] == ["CREATE"] and words[1:2] in (["FUNCTION"], ["PROCEDURE"])


def verb(statement: str) -> str:
    """The verb of a statement, e.g. `SELECT`, `INSERT`, `COMMIT`.

    Synonyms of BEGIN, COMMIT and ROLLBACK are returned as these; `ROLLBACK TO` (a savepoint) and `PREPARE
    TRANSACTION` are separate verbs.
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
    """The statement without literals, comments, names of savepoints and lengths of lists."""
    return _shape(statement[:_SHAPED])


@lru_cache(maxsize=2048)
def _shape(statement: str) -> str:
    kept = [_KEPT.get(token.kind, token.text) for token in tokens(statement)]
    text = " ".join("".join(kept).split())
    text = _MANY_IN.sub("IN (?)", text)
    text = _MANY_ROWS.sub(r"\1, ...", text)
    return _SAVEPOINT.sub(r"\1 ?", text)


_DEALLOCATE = re.compile(r'\bDEALLOCATE\s+(?:PREPARE\s+)?("(?:[^"]|"")+"|[\w$]+)', re.IGNORECASE)
_PREPARE = re.compile(
    r'\bPREPARE\s+("(?:[^"]|"")+"|[\w$]+)\s*(?:\([^)]*\)\s*)?AS\s+(.*)', re.IGNORECASE | re.DOTALL
)


def deallocated(text: str) -> list[bytes]:
    """The names in the DEALLOCATE statements of `text`."""
    return [_folded(found) for found in _DEALLOCATE.findall(without_comments(text))]


def prepared(text: str) -> tuple[bytes, str] | None:
    """The name and the statement of an SQL-level PREPARE; None if there is none."""
    found = _PREPARE.search(without_comments(text))
    return (_folded(found[1]), found[2]) if found else None


def without_comments(text: str) -> str:
    """`text` with each comment replaced by a space."""
    return "".join(" " if token.kind == "comment" else token.text for token in tokens(text))


def _folded(identifier: str) -> bytes:
    quoted = identifier.startswith('"')
    return (identifier[1:-1].replace('""', '"') if quoted else identifier.lower()).encode()


def _first_words(statement: str) -> list[str]:
    """Up to four leading words in upper case, without comments and opening parentheses.

    If the statement begins with another token, that token is the only word.
    """
    words: list[str] = []
    for token in tokens(statement):
        if token.kind == "word":
            words.append(token.text.upper())
            if len(words) == 4:
                break
        elif token.kind in {"space", "comment"} or (not words and token.text in {"(", ";"}):
            continue
        else:
            return words or [token.text]
    return words
