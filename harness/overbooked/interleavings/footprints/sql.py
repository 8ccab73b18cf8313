"""Parses one SQL statement: the tables it names, how it uses them, and the functions it calls.

Only the text is examined; foreign keys, triggers and views are resolved by
`overbooked.interleavings.footprints.schema_graph`. A statement that cannot be parsed is reported as unknown
and depends on everything.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, auto
from functools import lru_cache

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from overbooked.wire.postgres import sql


class Kind(Enum):
    """The role of a statement in its transaction."""

    QUERY = auto()
    BEGIN = auto()
    COMMIT = auto()
    ROLLBACK = auto()
    ROLLBACK_TO = auto()
    SETTING = auto()  # sets the isolation level from here on
    HARMLESS = auto()  # touches nothing that another session can see
    UNKNOWN = auto()


class Isolation(Enum):
    """The isolation levels that PostgreSQL distinguishes, weakest first."""

    READ_COMMITTED = "read committed"
    REPEATABLE_READ = "repeatable read"
    SERIALIZABLE = "serializable"


class Change(Enum):
    """The kind of change to a table's rows."""

    INSERT = auto()
    UPDATE = auto()
    DELETE = auto()


@dataclass(frozen=True, slots=True)
class Write:
    """A change of one table; `columns` are those that an UPDATE sets, None if unknown."""

    table: str
    change: Change
    columns: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Lock:
    """A lock on rows of a table by a SELECT; `keys`: it also blocks transactions that reference the row."""

    table: str
    keys: bool


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement.

    Args:
        kind: its role in the transaction.
        reads: tables and views named anywhere in it.
        locks: the locks of its FOR UPDATE, FOR SHARE etc.
        writes: the changes that it makes.
        calls: every name before a parenthesis, including names that only look like functions.
        unknown_calls: the calls of functions that the parser does not know.
        given_names: names of its common table expressions, which look like tables.
        isolation: the isolation level that it sets.
    """

    kind: Kind
    reads: frozenset[str] = frozenset()
    locks: frozenset[Lock] = frozenset()
    writes: frozenset[Write] = frozenset()
    calls: frozenset[str] = frozenset()
    unknown_calls: frozenset[str] = frozenset()
    given_names: frozenset[str] = frozenset()
    isolation: Isolation | None = None


UNKNOWN = Statement(Kind.UNKNOWN)
_HARMLESS = Statement(Kind.HARMLESS)

_PARAMETER = re.compile(r"\$(\d+)")
_QUIET = {"comment": " ", "string": " '' "}
_CALL = re.compile(r"([a-z_][a-z0-9_]*)\"?\s*\(")
_ISOLATION = re.compile(r"(read\s+uncommitted|read\s+committed|repeatable\s+read|serializable)")
_QUERIES = {"select", "with", "insert", "update", "delete", "merge", "values", "table", "("}
_WRITERS: dict[type[exp.Expr], Change] = {
    exp.Insert: Change.INSERT,
    exp.Update: Change.UPDATE,
    exp.Delete: Change.DELETE,
}


@lru_cache(maxsize=4096)
def statement(text: str) -> Statement:
    """Parse one statement; the result is cached by text."""
    plain = " ".join(_without_noise(text).lower().split()).rstrip("; ")
    if not plain:
        return _HARMLESS
    first, _, rest = plain.partition(" ")
    control = _control(first, rest, plain, text)
    if control is not None:
        return control
    if first.strip("(") in _QUERIES or plain[0] == "(":
        return _query(text, plain)
    return UNKNOWN


def _without_noise(text: str) -> str:
    """Return the text without comments and with empty string literals."""
    return "".join(_QUIET.get(token.kind, token.text) for token in sql.tokens(text))


def _control(first: str, rest: str, plain: str, text: str) -> Statement | None:
    if "prepared" in rest or (first == "prepare" and rest.startswith("transaction")) or "chain" in rest:
        return UNKNOWN if first in {"commit", "rollback", "prepare", "end", "abort"} else None
    if first == "begin" or (first == "start" and rest.startswith("transaction")):
        return Statement(Kind.BEGIN, isolation=_isolation(rest))
    if first in {"commit", "end"}:
        return Statement(Kind.COMMIT)
    if first in {"rollback", "abort"}:
        to = rest.split()
        return Statement(Kind.ROLLBACK_TO if "to" in to else Kind.ROLLBACK)
    if first == "set" and "isolation" in plain:
        wanted = _isolation(text.lower())
        return UNKNOWN if wanted is None else Statement(Kind.SETTING, isolation=wanted)
    if first == "set" and "snapshot" in plain:
        return UNKNOWN
    if first in {"set", "reset", "show", "savepoint", "release", "deallocate", "close", "unlisten"}:
        return _HARMLESS
    return None


def _isolation(text: str) -> Isolation | None:
    found = _ISOLATION.search(text)
    if found is None:
        return None
    named = " ".join(found[1].split())
    return Isolation.READ_COMMITTED if named == "read uncommitted" else Isolation(named)


def _query(text: str, plain: str) -> Statement:
    # The parser mistakes `$1, $` for the start of a dollar-quoted string, so parameters are replaced.
    try:
        parsed = sqlglot.parse(_PARAMETER.sub(r"__\1", text), dialect="postgres")
    except (SqlglotError, RecursionError):
        return UNKNOWN
    if len(parsed) != 1 or parsed[0] is None:
        return UNKNOWN
    tree = parsed[0]
    if isinstance(tree, exp.Command) or tree.find(exp.Command, exp.Into, exp.Create, exp.Drop):
        return UNKNOWN
    writes = [write for node in tree.walk() for write in _writes(node)]
    if any(not write.table for write in writes):
        return UNKNOWN
    unknown = {call.name.lower() for call in tree.find_all(exp.Anonymous)}
    return Statement(
        Kind.QUERY,
        reads=_tables(tree),
        locks=frozenset(
            Lock(table, bool(lock.args.get("update")) and not lock.args.get("key"))
            for lock in tree.find_all(exp.Lock)
            for table in _tables(lock.parent or tree)
        ),
        writes=frozenset(writes),
        calls=frozenset(_CALL.findall(plain)) | unknown,
        unknown_calls=frozenset(unknown),
        given_names=frozenset(one.alias.lower() for one in tree.find_all(exp.CTE)),
    )


def _tables(tree: exp.Expr) -> frozenset[str]:
    return frozenset(
        table.name.lower()
        for table in tree.find_all(exp.Table)
        if isinstance(table.this, exp.Identifier) and table.find_ancestor(exp.Lock) is None
    )


def _writes(node: exp.Expr) -> list[Write]:
    if isinstance(node, exp.Merge):
        return [Write(_target(node), change) for change in Change]
    change = _WRITERS.get(type(node))
    if change is None or isinstance(node.parent, exp.When):
        return []
    columns = _set_columns(node) if change is Change.UPDATE else None
    writes = [Write(_target(node), change, columns)]
    if node.args.get("conflict") is not None:
        writes.append(Write(_target(node), Change.UPDATE))
    return writes


def _target(node: exp.Expr) -> str:
    """Return the written table; "" if it cannot be determined."""
    target = node.this
    if isinstance(target, exp.Schema):
        target = target.this
    return target.name.lower() if isinstance(target, exp.Table) else ""


def _set_columns(node: exp.Expr) -> frozenset[str] | None:
    columns = set()
    for one in node.expressions:
        if not (isinstance(one, exp.EQ) and isinstance(one.this, exp.Column)) or one.this.table:
            return None  # a row of columns, or a part of a column
        columns.add(one.this.name.lower())
    return frozenset(columns) or None
