"""Everything that a statement touches: its tables, closed over the schema.

The rules follow PostgreSQL at READ COMMITTED. A plain SELECT sees committed data and waits for no row lock,
so a change within a transaction touches, for others, the *locks* of its table until the commit, and its
*contents* at the commit. A foreign key reads the *keys* of the referenced table and takes a share lock on
them, which does not conflict with UPDATEs of other columns and FOR NO KEY UPDATE.
(PostgreSQL documentation: Transaction Isolation; Explicit Locking, row-level locks.)
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, fields

from overbooked.interleavings.footprints.schema_graph import ForeignKey, Function, SchemaGraph
from overbooked.interleavings.footprints.sql import Change, Kind, Statement, Write, statement
from overbooked.wire.postgres import sql

# Built-in volatile functions without an effect on other sessions.
_HARMLESS = {
    "random", "gen_random_uuid", "uuidv4", "uuidv7", "uuid_generate_v4", "clock_timestamp", "timeofday",
    "now", "jsonb_build_object", "json_build_object", "json_agg", "jsonb_agg", "array_agg", "string_agg",
    "statement_timestamp", "transaction_timestamp", "sum", "min", "max", "count", "bool_or", "bool_and",
}  # fmt: skip
# Advisory locks on numbers that the service defines; session-level ones outlast transactions.
ADVISORY = "pg_advisory"
_ADVISORY = re.compile(r"pg_(?:try_)?advisory_(?:xact_)?(?:un)?lock(?:_all)?(?:_shared)?")
# Words in a function body that make its effects unknown.
_OPAQUE = re.compile(
    r"\b(execute|nextval|setval|currval|lastval|pg_\w+|dblink\w*|lo_\w+|set_config|notify|listen|copy|create|"
    r"alter|drop|truncate|lock|call|import|\w+_to_xml\w*)\b"
)
# `UPDATE t SET a = ...`, up to the end of the statement; a row of columns in parentheses is not plain.
_UPDATE = re.compile(
    r"\bupdate\s+(?:only\s+)?(?:\w+\.)?(?P<table>\w+)\s+(?:(?:as\s+)?(?!set\b)\w+\s+)?set\s+(?P<sets>[^(;][^;]*)"
)
_LITERAL = re.compile(r"'(?:[^']|'')*'")
_LOCKS_KEYS = re.compile(r"\bfor\s+update\b")
_QUIET = re.compile(r"\bset\s+search_path\b|\bpg_catalog\b|\bpg_temp\b|\btg_\w+\b")
_READABLE = {"sql", "plpgsql"}
_SYSTEM = {
    "pg_type", "pg_class", "pg_attribute", "pg_namespace", "pg_range", "pg_enum", "pg_collation",
    "pg_constraint", "pg_description", "pg_attrdef", "pg_index", "pg_proc",
}  # fmt: skip
_CASCADES = {"c": Change.DELETE, "n": Change.UPDATE, "d": Change.UPDATE}


@dataclass(frozen=True, slots=True)
class Accesses:
    """Sets of tables.

    Args:
        reads: tables whose contents are read.
        late: tables whose contents are read at the commit, by deferred checks.
        writes: tables whose contents change at the commit.
        locks: tables whose rows are locked, directly or by a change.
        keys: the locked tables whose locks also conflict with foreign-key checks.
        refers: tables whose keys are read and share-locked.
        everything: the accesses are unknown and treated as touching everything.
    """

    reads: frozenset[str] = frozenset()
    late: frozenset[str] = frozenset()
    writes: frozenset[str] = frozenset()
    locks: frozenset[str] = frozenset()
    keys: frozenset[str] = frozenset()
    refers: frozenset[str] = frozenset()
    everything: bool = False

    def __or__(self, other: Accesses) -> Accesses:
        return Accesses(*(getattr(self, one.name) | getattr(other, one.name) for one in fields(Accesses)))


NO_TABLE = Accesses()
UNKNOWN = Accesses(everything=True)


class Closure:
    """Closes statements over a schema, and caches the results.

    Args:
        schema: the schema; an access to a table that it does not have touches everything.
    """

    def __init__(self, schema: SchemaGraph) -> None:
        self._schema = schema
        self._known: dict[Statement, Accesses] = {}

    def of(self, one: Statement) -> Accesses:
        """Return what a statement touches."""
        known = self._known.get(one)
        if known is None:
            known = self._known[one] = _Closing(self._schema).statement(one)
        return known


class _Closing:
    """One closure: follows every reference once.

    A cycle adds nothing the second time, because its accesses are already in the result.
    """

    def __init__(self, schema: SchemaGraph) -> None:
        self._schema = schema
        self._found: dict[object, Accesses] = {}
        self._families: dict[str, set[str]] = {}
        for table in schema.tables:
            self._families.setdefault(schema.roots.get(table, table), set()).add(table)

    def statement(self, one: Statement) -> Accesses:
        if one.kind is Kind.UNKNOWN:
            return UNKNOWN
        if one.kind is not Kind.QUERY:
            return NO_TABLE
        touched = NO_TABLE
        for table in one.reads:
            touched |= self._read(table, one.given_names)
        for lock in one.locks:
            if lock.table not in one.given_names or lock.table in self._schema.tables:
                touched |= self._locked(lock.table, keys=lock.keys)
        for write in one.writes:
            touched |= self._write(write)
        for name in one.calls:
            touched |= self._call(name, known=name not in one.unknown_calls)
        return touched

    def _root(self, table: str) -> str:
        return self._schema.roots.get(table, table)

    def _family(self, table: str) -> set[str]:
        """Return a table with its partitions and inheriting tables; an access to one may touch any of
        them."""
        return self._families.get(self._root(table), {table})

    def _read(self, table: str, given: Iterable[str] = ()) -> Accesses:
        if not self._schema.closed.isdisjoint(self._family(table)):
            return UNKNOWN
        if table in self._schema.views:
            return self._view(table)
        if table in self._schema.tables:
            return Accesses(reads=frozenset({self._root(table)}))
        return NO_TABLE if table in given or table in _SYSTEM else UNKNOWN

    def _view(self, name: str) -> Accesses:
        known = self._found.get(("view", name))
        if known is None:
            self._found["view", name] = NO_TABLE
            known = self._found["view", name] = self.statement(statement(self._schema.views[name]))
        return known

    def _locked(self, table: str, *, keys: bool) -> Accesses:
        if table in self._schema.views:
            tables = self._view(table)
            return tables | Accesses(locks=tables.reads, keys=tables.reads)
        found = frozenset({self._root(table)})
        return Accesses(locks=found, keys=found if keys else frozenset())

    def _write(self, write: Write) -> Accesses:
        known = self._found.get(write)
        if known is None:
            self._found[write] = NO_TABLE
            known = self._found[write] = self._written(write)
        return known

    def _written(self, write: Write) -> Accesses:
        schema, table = self._schema, write.table
        family = self._family(table)
        if not schema.closed.isdisjoint(family) or table not in schema.tables:
            return UNKNOWN
        if table in schema.views:
            touched = self._view(table)
            for base in touched.reads:
                touched |= self._write(Write(base, write.change))
            return touched | self._fired(write)
        columns = write.columns
        if any(one.before and one.table in family for one in schema.triggers):
            columns = None  # the trigger may set other columns
        change = write.change
        root = frozenset({self._root(table)})
        keys = frozenset[str]().union(*(schema.key_columns.get(one, ()) for one in family))
        rekeys = change is not Change.UPDATE or columns is None or not columns.isdisjoint(keys)
        touched = Accesses(reads=root, writes=root, locks=root, keys=root if rekeys else frozenset())
        for key in schema.foreign_keys:
            touched |= self._refers(key, table, change, columns) | self._referred(key, table, change, columns)
        for one in family:
            for text in schema.expressions.get(one, ()):
                touched |= self._words(text, whole=False)
        return touched | self._fired(write)

    def _refers(
        self, key: ForeignKey, table: str, change: Change, columns: frozenset[str] | None
    ) -> Accesses:
        sets = columns is None or not columns.isdisjoint(key.child_columns)
        if key.child not in self._family(table) or change is Change.DELETE or not sets:
            return NO_TABLE
        return Accesses(refers=frozenset({self._root(key.parent)}))

    def _referred(
        self, key: ForeignKey, table: str, change: Change, columns: frozenset[str] | None
    ) -> Accesses:
        sets = columns is None or not columns.isdisjoint(key.parent_columns)
        if key.parent not in self._family(table) or change is Change.INSERT:
            return NO_TABLE
        if change is Change.UPDATE and not sets:
            return NO_TABLE
        child = frozenset({self._root(key.child)})
        touched = Accesses(reads=child, refers=child, late=child if key.deferrable else frozenset())
        action = key.on_delete if change is Change.DELETE else key.on_update
        if action in _CASCADES:
            further = _CASCADES[action] if change is Change.DELETE else Change.UPDATE
            set_columns = key.child_columns if further is Change.UPDATE else None
            touched |= self._write(Write(key.child, further, set_columns))
        return touched

    def _fired(self, write: Write) -> Accesses:
        touched = NO_TABLE
        triggers = [one for one in self._schema.triggers if one.table in self._family(write.table)]
        for one in triggers:
            if write.change not in one.changes:
                continue
            if write.change is Change.UPDATE and one.columns and write.columns is not None:
                before = any(other.before for other in triggers if other is not one)
                if one.columns.isdisjoint(write.columns) and not before:
                    continue
            body = self._function(one.function)
            touched |= body
            if one.deferrable:
                touched |= Accesses(late=body.reads)
        return touched

    def _call(self, name: str, *, known: bool) -> Accesses:
        if name in self._schema.functions:
            return self._function(name)
        if _ADVISORY.fullmatch(name):
            return Accesses(locks=frozenset({ADVISORY}))
        if known or name in _HARMLESS or name in self._schema.harmless:
            return NO_TABLE
        return UNKNOWN

    def _function(self, name: str) -> Accesses:
        known = self._found.get(("function", name))
        if known is None:
            known = self._found["function", name] = NO_TABLE
            for one in self._schema.functions.get(name, (Function("unknown", ""),)):
                known |= self._words(one.source, whole=True) if one.language in _READABLE else UNKNOWN
            self._found["function", name] = known
        return known

    def _words(self, source: str, *, whole: bool) -> Accesses:
        """Return what a body or expression may touch: each operation it contains, on each table it names."""
        plain = _QUIET.sub(" ", sql.without_comments(source).lower())
        if _OPAQUE.search(plain) and (whole or "nextval" not in plain):
            return UNKNOWN
        touched = NO_TABLE
        words = set(re.findall(r"\w+", plain))
        named = words & self._schema.tables if whole else set()
        for word in words & self._schema.functions.keys():
            touched |= self._function(word)
        for table in named:
            touched |= self._read(table)
            if "for" in words and words & {"update", "share"}:
                touched |= self._locked(table, keys=bool(_LOCKS_KEYS.search(plain)))
            for write in _writes_in(plain, words, table):
                touched |= self._write(write)
        return touched


def _writes_in(body: str, words: set[str], table: str) -> Iterable[Write]:
    """Yield the writes that a body may make to a table that it names."""
    if "insert" in words or "merge" in words:
        yield Write(table, Change.INSERT)
    if "delete" in words or "merge" in words:
        yield Write(table, Change.DELETE)
    body = _LITERAL.sub("''", body)
    updates = list(_UPDATE.finditer(body))
    understood = len(updates) == len(re.findall(r"(?<!for )(?<!key )\bupdate\b", " ".join(body.split())))
    if not understood or "merge" in words:
        yield Write(table, Change.UPDATE)
        return
    for update in updates:
        if update["table"] == table:
            yield Write(table, Change.UPDATE, _set_in(update["sets"]))


def _set_in(sets: str) -> frozenset[str] | None:
    """Return every name before an equals sign, including those of comparisons in a subquery."""
    before = re.split(r"\b(?:where|returning)\b", sets, maxsplit=1)[0]
    if "[" in before or re.search(r"\.\s*\w+\s*=", before):
        return None  # a part of a column
    return frozenset(re.findall(r"(\w+)\W*?(?<![<>!:])=", sets if "select" in before else before))
