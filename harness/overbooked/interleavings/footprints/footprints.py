"""Footprints of boundaries: of single ones, and of the boundaries of one run in order.

Special cases, each with its own test: an unknown function touches everything; COMMIT inherits the locks and
writes of its transaction; a SELECT that locks rows counts as a write; a failed statement
releases the locks of its transaction; the first statement of REPEATABLE READ takes the snapshot and depends
on every COMMIT; SERIALIZABLE depends on everything.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from overbooked.interleavings.footprints.redis import redis_footprint
from overbooked.interleavings.footprints.resources import EVERYTHING, NOTHING, Footprint, dependent, touching
from overbooked.interleavings.footprints.schema_graph import SchemaGraph, read_schema
from overbooked.interleavings.footprints.sql import Isolation, Kind, Statement, statement
from overbooked.interleavings.footprints.sql_closure import ADVISORY, NO_TABLE, UNKNOWN, Accesses, Closure
from overbooked.wire.gate.boundary import Boundary, Reply, WireProtocol

__all__ = [
    "Footprint",
    "Footprints",
    "RunFootprints",
    "SchemaGraph",
    "Told",
    "dependent",
    "footprint",
    "read_schema",
]

# A step that takes a snapshot writes this resource and a commit reads it, so that these two depend on each
# other, but two commits or two independent changes do not.
_SNAPSHOT = "commits"
_CALLS = re.compile(r"^\s*CALL\s+(?:\w+\s*\.\s*)?\"?(\w+)", re.IGNORECASE)
_ENDS_A_TRANSACTION = re.compile(r"\b(?:COMMIT|ROLLBACK|CALL|EXECUTE)\b", re.IGNORECASE)
_ALL_FREED = Accesses(locks=frozenset({ADVISORY}))
_SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}
_CALLS_OUT = "app->"
NO_NAMES: Mapping[str, frozenset[str]] = MappingProxyType({})


_Wire = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Told:
    """The footprints that the search needs of a released boundary; see `search.schedule.Step`."""

    footprint: Footprint
    holds: Footprint = NOTHING


class Footprints:
    """Footprints of single boundaries, regardless of earlier ones.

    Args:
        schema: the schema of the database behind the links.
    """

    def __init__(self, schema: SchemaGraph) -> None:
        self.schema = schema
        self._closure = Closure(schema)

    def of(self, boundary: Boundary) -> Footprint:
        """Return what a boundary reads and writes, by tables (`table:slots`), keys and hosts.

        A COMMIT or ROLLBACK touches everything, because its transaction is unknown here.
        """
        if boundary.protocol is WireProtocol.REDIS:
            return redis_footprint(boundary)
        if boundary.protocol is not WireProtocol.POSTGRES:
            return http_footprint(boundary)
        whole = NOTHING
        for one in statements_of(boundary):
            if one.kind in {Kind.COMMIT, Kind.ROLLBACK, Kind.ROLLBACK_TO}:
                return EVERYTHING
            touched = self.touched(one)
            whole |= _named(
                touched,
                reads={"table": touched.reads | touched.late | touched.refers},
                writes={"table": touched.writes | touched.locks},
            )
        return whole

    def splits(self, boundary: Boundary) -> bool:
        """Return whether the commit of a statement may have an effect: rows are changed or locked, or
        unknown."""
        return any(self._left_to_commit(one) for one in statements_of(boundary))

    def within_a_block(self, boundary: Boundary) -> bool:
        """Return whether the called procedures end no transaction, judged by their bodies."""
        names = [found[1].lower() for text in boundary.statements for found in _CALLS.finditer(text)]
        bodies = [self.schema.functions.get(name, ()) for name in names]
        return all(
            body and all(not _ENDS_A_TRANSACTION.search(one.source) for one in body) for body in bodies
        )

    def _left_to_commit(self, one: Statement) -> bool:
        touched = self.touched(one)
        # Advisory locks are taken or released when the statement is answered, not at commit.
        return touched.everything or bool(touched.writes or touched.locks - {ADVISORY})

    def touched(self, one: Statement) -> Accesses:
        """Return the accesses of a statement, closed over the schema."""
        return self._closure.of(one)

    def run(self) -> RunFootprints:
        """Return footprints for the boundaries of one run."""
        return RunFootprints(self)


class RunFootprints:
    """Footprints of the boundaries of one run, in the order of their release.

    Until it commits, a transaction affects others only through its locks, so resource names are finer here:
    `table:` for contents, `lock:` for row locks, `key:` and `keylock:` for what foreign keys read and lock.
    """

    def __init__(self, footprints: Footprints) -> None:
        self._footprints = footprints
        self._sessions: dict[_Wire, _Session] = {}
        self._queues: dict[_Wire, Footprint] = {}

    def let_go(self, boundary: Boundary) -> Told:
        """Return what a released boundary touches, and what its transaction had locked before."""
        wire = boundary.link, boundary.connection
        if boundary.protocol is WireProtocol.POSTGRES:
            session = self._sessions.get(wire)
            if session is None:
                session = self._sessions[wire] = _Session(self._footprints)
            return session.let_go(boundary)
        if boundary.protocol is WireProtocol.REDIS:
            return Told(self._redis(wire, boundary))
        return Told(self._footprints.of(boundary))

    def answered(self, boundary: Boundary, reply: Reply | None) -> Footprint:
        """Return what the boundary touched in addition, according to its reply (None: no answer arrived)."""
        session = self._sessions.get((boundary.link, boundary.connection))
        return NOTHING if session is None or reply is None else session.answered(reply)

    def _redis(self, wire: _Wire, boundary: Boundary) -> Footprint:
        """Return the footprint of a command; WATCH and MULTI collect the footprint of EXEC."""
        verb = boundary.verb.upper()
        if verb == "EXEC":
            return self._queues.pop(wire, EVERYTHING)
        if verb in {"DISCARD", "UNWATCH"}:
            self._queues.pop(wire, None)
            return NOTHING
        touched = redis_footprint(boundary)
        if verb in {"MULTI", "WATCH"} or boundary.in_transaction:
            self._queues[wire] = self._queues.get(wire, NOTHING) | touched
        return touched


@dataclass(slots=True)
class _Session:
    """A database connection and what its transaction has touched so far."""

    footprints: Footprints
    open: bool = False
    held: Accesses = NO_TABLE
    default: Isolation = field(init=False)
    isolation: Isolation = field(init=False)
    looked: bool = False
    kept: bool = False  # something unknown was done, e.g. a session lock was taken

    def __post_init__(self) -> None:
        self.default = self.isolation = self.footprints.schema.isolation

    def let_go(self, boundary: Boundary) -> Told:
        if boundary.in_transaction and not self.open:  # the transaction began before the observation
            self.open, self.held = True, UNKNOWN
        elif self.open and not boundary.in_transaction:
            self.open = False
        if boundary.verb == "TERMINATE":
            return self._ended()
        holds = _locks(self.held) if self.open else NOTHING
        if boundary.commits_apart and not self.open:
            self._begin(None)
        texts = boundary.statements or (boundary.text,)
        whole = NOTHING
        for text in texts:
            whole |= self._one(statement(text), text.lower())
        return Told(whole, holds)

    def answered(self, reply: Reply) -> Footprint:
        freed = _locks(self.held) if reply.error and self.open else NOTHING
        if not reply.in_transaction:
            self.open = False
        return freed

    def _begin(self, isolation: Isolation | None) -> None:
        self.open, self.held, self.looked = True, NO_TABLE, False
        self.isolation = isolation or self.default

    def _ended(self) -> Told:
        """End the session: its transaction is rolled back and its session-level locks are released."""
        held, self.held = self.held if self.open else NO_TABLE, NO_TABLE
        freed = EVERYTHING if self.kept else _locks(held)
        self.open = self.kept = False
        return Told(freed, freed)

    def _one(self, one: Statement, text: str) -> Footprint:
        serializable = self.isolation is Isolation.SERIALIZABLE
        if one.kind is Kind.BEGIN:
            if not self.open:
                self._begin(one.isolation)
            return NOTHING
        if one.kind is Kind.SETTING:
            self.isolation = one.isolation or self.isolation
            if "session" in text or "default_transaction" in text:
                self.default = self.isolation
            return NOTHING
        if one.kind is Kind.HARMLESS:
            return NOTHING
        if one.kind is Kind.ROLLBACK_TO:
            return _locks(self.held)
        if one.kind in {Kind.COMMIT, Kind.ROLLBACK}:
            held, self.held, self.open = self.held, NO_TABLE, False
            self.isolation = self.default
            if one.kind is Kind.ROLLBACK:
                return EVERYTHING if serializable else _locks(held)
            return EVERYTHING if serializable else _locks(held) | _committed(held)
        touched = self.footprints.touched(one)
        # Outside a transaction a statement autocommits, or commits at a Sync that is a separate COMMIT
        # boundary.
        self.held |= touched
        if touched == _ALL_FREED and "pg_advisory_unlock_all" in one.calls and not self.kept:
            return NOTHING  # a pool resets a connection that holds no locks
        self.kept |= touched.everything or ADVISORY in touched.locks
        if serializable:
            return EVERYTHING
        seen = _looked_at(touched) | _locks(touched)
        if not self.open:
            return seen | _committed(touched)
        if self.isolation is Isolation.REPEATABLE_READ and not self.looked:
            seen |= touching(writes=[_SNAPSHOT])
        self.looked = True
        return seen


def footprint(boundary: Boundary, schema: SchemaGraph) -> Footprint:
    """Return the footprint of one boundary in isolation; see `Footprints.of`."""
    return Footprints(schema).of(boundary)


def statements_of(boundary: Boundary) -> list[Statement]:
    """Return the parsed statements of a boundary."""
    return [statement(text) for text in boundary.statements or (boundary.text,)]


def http_footprint(boundary: Boundary) -> Footprint:
    """Return the footprint of a call: the host behind the link, or everything for a call to the service."""
    if not boundary.link.startswith(_CALLS_OUT):
        return EVERYTHING
    host = [f"http:{boundary.link.removeprefix(_CALLS_OUT)}"]
    return touching(reads=host) if boundary.verb.upper() in _SAFE_METHODS else touching(writes=host)


def _looked_at(touched: Accesses) -> Footprint:
    return _named(touched, reads={"table": touched.reads, "key": touched.refers})


def _locks(touched: Accesses) -> Footprint:
    return _named(
        touched, reads={"keylock": touched.refers}, writes={"lock": touched.locks, "keylock": touched.keys}
    )


def _committed(touched: Accesses) -> Footprint:
    seen = _named(
        touched,
        reads={"table": touched.late, "key": touched.refers if touched.writes else frozenset()},
        writes={"table": touched.writes, "key": touched.writes & touched.keys},
    )
    return seen | touching(reads=[_SNAPSHOT]) if touched.writes else seen


def _named(
    touched: Accesses, *, reads: Mapping[str, frozenset[str]], writes: Mapping[str, frozenset[str]] = NO_NAMES
) -> Footprint:
    if touched.everything:
        return EVERYTHING
    return touching(
        reads=(f"{kind}:{table}" for kind, tables in reads.items() for table in tables),
        writes=(f"{kind}:{table}" for kind, tables in writes.items() for table in tables),
    )
