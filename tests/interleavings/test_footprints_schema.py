"""The schema graph read from pg_catalog of a real server."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg
import pytest

from overbooked.errors import StackError
from overbooked.interleavings.footprints.footprints import SchemaGraph, footprint, read_schema
from overbooked.interleavings.footprints.resources import EVERYTHING, Footprint
from overbooked.interleavings.footprints.schema_graph import ForeignKey
from overbooked.interleavings.footprints.sql import Change, Isolation
from overbooked.wire.gate.boundary import Boundary, WireProtocol
from tests.wire.postgres.server import postgres_server

SCHEMA = """
CREATE TABLE slots (id int PRIMARY KEY, code text UNIQUE, taken int DEFAULT 0);
CREATE TABLE bookings (id serial PRIMARY KEY, slot_id int REFERENCES slots ON DELETE CASCADE);
CREATE TABLE audit (at timestamptz DEFAULT now(), what text);
CREATE FUNCTION note_it() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN INSERT INTO audit (what) VALUES (NEW.id::text); RETURN NULL; END';
CREATE TRIGGER note_it AFTER INSERT OR UPDATE OF slot_id ON bookings
    FOR EACH ROW EXECUTE FUNCTION note_it();
CREATE CONSTRAINT TRIGGER late AFTER DELETE ON bookings DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION note_it();
CREATE VIEW free AS SELECT id FROM slots WHERE taken = 0;
CREATE FUNCTION lazy() RETURNS bigint LANGUAGE sql AS 'SELECT pg_backend_pid()';
CREATE TABLE odd (id int DEFAULT lazy());
CREATE TABLE days (day date) PARTITION BY RANGE (day);
CREATE TABLE day_1 PARTITION OF days FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
CREATE TABLE secret (id int);
ALTER TABLE secret ENABLE ROW LEVEL SECURITY;
"""


@pytest.fixture(scope="module")
async def schema() -> AsyncIterator[SchemaGraph]:
    async with postgres_server() as server:
        connection = await asyncpg.connect(server.dsn(), ssl=False)
        await connection.execute(SCHEMA)
        yield await read_schema(connection)
        await connection.close()


def touched(text: str, schema: SchemaGraph) -> Footprint:
    boundary = Boundary("app->postgres", WireProtocol.POSTGRES, 1, 1, text.split(maxsplit=1)[0], text, text)
    return footprint(boundary, schema)


async def test_tables_and_their_keys_are_read(schema: SchemaGraph) -> None:
    assert {"slots", "bookings", "audit", "free", "days", "day_1"} <= schema.tables
    assert schema.key_columns["slots"] == {"id", "code"}
    assert schema.roots == {"day_1": "days"}
    assert schema.closed == {"secret"}
    assert schema.isolation is Isolation.READ_COMMITTED


async def test_foreign_keys_are_read(schema: SchemaGraph) -> None:
    assert schema.foreign_keys == (
        ForeignKey("bookings", frozenset({"slot_id"}), "slots", frozenset({"id"}), on_delete="c"),
    )
    assert touched("DELETE FROM slots", schema).writes == {"table:slots", "table:bookings", "table:audit"}


async def test_triggers_are_read_with_their_columns(schema: SchemaGraph) -> None:
    triggers = {one.changes: one for one in schema.triggers}
    assert triggers[frozenset({Change.INSERT, Change.UPDATE})].columns == {"slot_id"}
    assert triggers[frozenset({Change.DELETE})].deferrable
    assert "table:audit" in touched("INSERT INTO bookings (slot_id) VALUES (1)", schema).writes
    assert "table:audit" not in touched("UPDATE bookings SET id = 2", schema).writes


async def test_views_and_functions_are_read(schema: SchemaGraph) -> None:
    assert touched("SELECT * FROM free", schema).reads == {"table:slots"}
    assert touched("SELECT lazy()", schema) == EVERYTHING


async def test_a_default_that_calls_what_nobody_knows_touches_everything(schema: SchemaGraph) -> None:
    assert touched("INSERT INTO odd VALUES (DEFAULT)", schema) == EVERYTHING
    assert touched("INSERT INTO slots VALUES (1)", schema) != EVERYTHING


async def test_harmless_are_the_functions_that_neither_change_nor_read_what_others_change(
    schema: SchemaGraph,
) -> None:
    assert {"lower", "jsonb_build_object", "date_trunc", "now"} <= schema.harmless
    assert not {"nextval", "pg_advisory_lock", "query_to_xml", "pg_current_snapshot"} & schema.harmless
    assert not {"currval", "set_config", "pg_notify", "txid_current"} & schema.harmless


async def test_a_database_that_does_not_answer_is_ours_to_tell() -> None:
    async with postgres_server() as server:
        connection = await asyncpg.connect(server.dsn(), ssl=False)
        await connection.close()
        with pytest.raises(StackError, match="reading the schema from the catalog failed"):
            await read_schema(connection)
