"""Sample boundaries on a schema with one object of each kind, and their footprints."""

from __future__ import annotations

from overbooked.interleavings.footprints.footprints import RunFootprints, SchemaGraph, footprint
from overbooked.interleavings.footprints.resources import NOTHING, Footprint
from overbooked.interleavings.footprints.schema_graph import ForeignKey, Function, Trigger
from overbooked.interleavings.footprints.sql import Change, Kind, statement
from overbooked.wire.gate.boundary import Boundary, Reply, WireProtocol

SCHEMA = SchemaGraph(
    tables=frozenset({"slots", "bookings", "audit", "prices", "counted", "free", "secret", "days", "day_1"}),
    roots={"day_1": "days"},
    key_columns={"slots": frozenset({"id"}), "bookings": frozenset({"id"})},
    foreign_keys=(
        ForeignKey("bookings", frozenset({"slot_id"}), "slots", frozenset({"id"}), on_delete="c"),
        ForeignKey("prices", frozenset({"slot_id"}), "slots", frozenset({"id"})),
    ),
    triggers=(
        Trigger("counted", frozenset({Change.INSERT}), "count_it"),
        Trigger("audit", frozenset({Change.DELETE}), "who_knows"),
    ),
    views={"free": "SELECT slots.id FROM slots LEFT JOIN bookings ON true"},
    functions={
        "count_it": (Function("plpgsql", "BEGIN PERFORM bump(NEW.slot_id); RETURN NULL; END"),),
        "bump": (Function("sql", "UPDATE slots SET taken = taken + 1 WHERE id = $1"),),
        "who_knows": (Function("plpgsql", "BEGIN EXECUTE 'DELETE FROM slots'; RETURN NULL; END"),),
        "rank": (Function("sql", "SELECT 1"),),
        "compiled": (Function("c", "compiled"),),
    },
    closed=frozenset({"secret"}),
    harmless=frozenset({"lower", "date_trunc"}),
)


def sql(text: str, *, in_transaction: bool = False, connection: int = 1) -> Boundary:
    verb = text.partition(" ")[0].upper()
    return Boundary(
        "app->postgres", WireProtocol.POSTGRES, connection, 1, verb, text, text, in_transaction=in_transaction
    )


def redis(*words: str, queued: bool = False, connection: int = 1) -> Boundary:
    text = " ".join(words)
    return Boundary(
        "app->redis",
        WireProtocol.REDIS,
        connection,
        1,
        words[0],
        text,
        text,
        values=words[1:],
        in_transaction=queued,
    )


def http(method: str, link: str = "app->payments") -> Boundary:
    return Boundary(link, WireProtocol.HTTP, 1, 1, method, f"{method} /intents", f"{method} /intents")


def alone(text: str) -> Footprint:
    return footprint(sql(text), SCHEMA)


class Client:
    """One connection of one run."""

    def __init__(self, run: RunFootprints, connection: int = 1) -> None:
        self.run, self.connection, self.open = run, connection, False
        self.holds = self.effects = NOTHING

    def does(self, text: str, error: str = "") -> Footprint:
        boundary = sql(text, in_transaction=self.open, connection=self.connection)
        told = self.run.let_go(boundary)
        self.holds = told.holds
        kind = statement(text).kind
        self.open = (self.open or kind is Kind.BEGIN) and kind not in {Kind.COMMIT, Kind.ROLLBACK}
        self.effects = self.run.answered(boundary, Reply("", error, in_transaction=self.open))
        return told.footprint
