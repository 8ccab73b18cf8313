"""The schema behind the tables that a statement names: foreign keys, triggers, views, functions.

Names are unqualified and in lower case; tables of the same name in two schemas count as one. A partition
counts as its topmost parent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import asyncpg

from overbooked.errors import StackError
from overbooked.interleavings.footprints.sql import Change, Isolation


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """A foreign key. `on_delete` and `on_update` are the letters of pg_constraint: `a` no action, `r`
    restrict, `c` cascade, `n` set null, `d` set default."""

    child: str
    child_columns: frozenset[str]
    parent: str
    parent_columns: frozenset[str]
    on_delete: str = "a"
    on_update: str = "a"
    deferrable: bool = False


@dataclass(frozen=True, slots=True)
class Trigger:
    """A user-defined trigger; `columns` are those of UPDATE OF, empty for any."""

    table: str
    changes: frozenset[Change]
    function: str
    columns: frozenset[str] = frozenset()
    before: bool = False
    deferrable: bool = False


@dataclass(frozen=True, slots=True)
class Function:
    """A user-defined function."""

    language: str
    source: str


@dataclass(frozen=True, slots=True)
class SchemaGraph:
    """The parts of a schema that determine footprints.

    Args:
        tables: all tables and views.
        roots: the topmost parent of each partition and inheriting table.
        key_columns: the columns of the unique indexes of each table.
        foreign_keys, triggers: those of all tables.
        views: the definition of each view.
        functions: the functions by name; a name may be overloaded.
        expressions: the defaults, checks, generated columns and index expressions of each table, as SQL.
        closed: tables with rules or row security, and foreign tables; an access may touch everything.
        harmless: built-in functions that change nothing and read nothing shared.
        isolation: the strongest default isolation level of the database, its roles and the session.
    """

    tables: frozenset[str] = frozenset()
    roots: Mapping[str, str] = field(default_factory=dict)
    key_columns: Mapping[str, frozenset[str]] = field(default_factory=dict)
    foreign_keys: tuple[ForeignKey, ...] = ()
    triggers: tuple[Trigger, ...] = ()
    views: Mapping[str, str] = field(default_factory=dict)
    functions: Mapping[str, tuple[Function, ...]] = field(default_factory=dict)
    expressions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    closed: frozenset[str] = frozenset()
    harmless: frozenset[str] = frozenset()
    isolation: Isolation = Isolation.READ_COMMITTED


_TABLES = """
SELECT c.oid, lower(c.relname) AS name, c.relkind::text AS kind, c.relrowsecurity AS secured,
    EXISTS (SELECT FROM pg_rewrite r WHERE r.ev_class = c.oid AND c.relkind NOT IN ('v', 'm')) AS ruled,
    CASE WHEN c.relkind = 'v' THEN pg_get_viewdef(c.oid) END AS definition
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
    AND n.nspname NOT LIKE 'pg\\_toast%'
"""
_PARENTS = "SELECT inhrelid AS child, inhparent AS parent FROM pg_inherits"
_COLUMNS = (
    "SELECT attrelid AS oid, attnum AS number, lower(attname) AS name FROM pg_attribute WHERE attnum > 0"
)
_KEYS = "SELECT indrelid AS oid, indkey::int2[] AS columns FROM pg_index WHERE indisunique"
_FOREIGN_KEYS = """
SELECT conrelid AS child, confrelid AS parent, conkey AS child_columns, confkey AS parent_columns,
    confdeltype::text AS on_delete, confupdtype::text AS on_update, condeferrable AS deferrable
FROM pg_constraint WHERE contype = 'f'
"""
_TRIGGERS = """
SELECT t.tgrelid AS oid, t.tgtype::int AS type, lower(p.proname) AS function, t.tgdeferrable AS deferrable,
    t.tgattr::int2[] AS columns
FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid WHERE NOT t.tgisinternal
"""
_FUNCTIONS = """
SELECT lower(p.proname) AS name, l.lanname AS language,
    coalesce(pg_get_function_sqlbody(p.oid), p.prosrc) AS source
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace JOIN pg_language l ON l.oid = p.prolang
WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') AND p.prokind <> 'a'
"""
_EXPRESSIONS = """
SELECT d.adrelid AS oid, pg_get_expr(d.adbin, d.adrelid) AS text FROM pg_attrdef d
UNION ALL SELECT k.conrelid, pg_get_constraintdef(k.oid) FROM pg_constraint k WHERE k.contype = 'c'
UNION ALL SELECT i.indrelid, pg_get_expr(i.indexprs, i.indrelid) FROM pg_index i WHERE i.indexprs IS NOT NULL
UNION ALL SELECT i.indrelid, pg_get_expr(i.indpred, i.indrelid) FROM pg_index i WHERE i.indpred IS NOT NULL
"""
# Immutable and stable functions change nothing; the excluded ones read what others may change.
_HARMLESS = """
SELECT p.proname AS name FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE n.nspname = 'pg_catalog'
    AND p.proname !~ '^(pg_|txid_|has_|lo_)|_to_xml|currval|lastval|current_setting'
GROUP BY 1 HAVING bool_and(p.provolatile <> 'v')
"""
_DEFAULTS = """
SELECT current_setting('default_transaction_isolation') AS level
UNION SELECT split_part(one, '=', 2) FROM pg_db_role_setting, unnest(setconfig) AS one
WHERE one LIKE 'default_transaction_isolation=%'
"""
_BITS = {4: Change.INSERT, 8: Change.DELETE, 16: Change.UPDATE}
_BEFORE = 2


async def read_schema(connection: asyncpg.Connection[Any]) -> SchemaGraph:
    """Read the schema of the connection's database; it needs access only to pg_catalog.

    Raises:
        StackError: a catalog query failed.
    """
    try:
        tables = await connection.fetch(_TABLES)
        parents = {row["child"]: row["parent"] for row in await connection.fetch(_PARENTS)}
        attributes = await connection.fetch(_COLUMNS)
        keys = await connection.fetch(_KEYS)
        foreign = await connection.fetch(_FOREIGN_KEYS)
        triggers = await connection.fetch(_TRIGGERS)
        functions = await connection.fetch(_FUNCTIONS)
        expressions = await connection.fetch(_EXPRESSIONS)
        harmless = await connection.fetch(_HARMLESS)
        levels = await connection.fetch(_DEFAULTS)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise StackError(f"reading the schema from the catalog failed: {error!r}", part="postgres") from error
    columns = {(row["oid"], row["number"]): row["name"] for row in attributes}
    names = {row["oid"]: row["name"] for row in tables}
    by_name: dict[str, list[Function]] = {}
    for row in functions:
        by_name.setdefault(row["name"], []).append(Function(row["language"], row["source"]))
    texts: dict[str, list[str]] = {}
    for row in expressions:
        if row["oid"] in names:
            texts.setdefault(names[row["oid"]], []).append(row["text"])
    key_columns: dict[str, frozenset[str]] = {}
    for row in keys:
        if row["oid"] in names:
            name = names[row["oid"]]
            found_columns = _columns(row["oid"], row["columns"], columns)
            key_columns[name] = key_columns.get(name, frozenset()) | found_columns
    order = list(Isolation)
    return SchemaGraph(
        tables=frozenset(names.values()),
        roots={names[oid]: names[_root(oid, parents)] for oid in parents if oid in names},
        key_columns=key_columns,
        foreign_keys=tuple(_foreign_key(row, names, columns) for row in foreign),
        triggers=tuple(_trigger(row, names, columns) for row in triggers if row["oid"] in names),
        views={row["name"]: row["definition"] for row in tables if row["definition"] is not None},
        functions={name: tuple(found) for name, found in by_name.items()},
        expressions={name: tuple(found) for name, found in texts.items()},
        closed=frozenset(
            row["name"] for row in tables if row["secured"] or row["ruled"] or row["kind"] == "f"
        ),
        harmless=frozenset(row["name"] for row in harmless),
        isolation=max((_level(row["level"]) for row in levels), key=order.index),
    )


def _level(text: str) -> Isolation:
    return Isolation.READ_COMMITTED if text == "read uncommitted" else Isolation(text)


def _root(oid: int, parents: Mapping[int, int]) -> int:
    while oid in parents:
        oid = parents[oid]
    return oid


_Columns = Mapping[tuple[int, int], str]


def _columns(table: int, numbers: Sequence[int], columns: _Columns) -> frozenset[str]:
    # An index expression has column number 0; expressions are examined separately.
    return frozenset(columns[table, number] for number in numbers if number > 0)


def _foreign_key(row: Any, names: Mapping[int, str], columns: _Columns) -> ForeignKey:
    return ForeignKey(
        names[row["child"]],
        _columns(row["child"], row["child_columns"], columns),
        names[row["parent"]],
        _columns(row["parent"], row["parent_columns"], columns),
        row["on_delete"],
        row["on_update"],
        row["deferrable"],
    )


def _trigger(row: Any, names: Mapping[int, str], columns: _Columns) -> Trigger:
    return Trigger(
        names[row["oid"]],
        frozenset(change for bit, change in _BITS.items() if row["type"] & bit),
        row["function"],
        _columns(row["oid"], row["columns"], columns),
        before=bool(row["type"] & _BEFORE),
        deferrable=row["deferrable"],
    )
