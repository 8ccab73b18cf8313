"""Footprints on a real server: reduced searches reach every final state."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import asyncpg
import pytest

from overbooked.interleavings.footprints.footprints import Footprints, read_schema
from overbooked.interleavings.search.search import ScheduleSearch
from tests.interleavings.postgres_runner import Ground, Script
from tests.wire.postgres.server import postgres_server

SCHEMA = """
CREATE TABLE slots (id int PRIMARY KEY, taken int NOT NULL DEFAULT 0);
CREATE TABLE bookings (id int PRIMARY KEY, slot_id int NOT NULL REFERENCES slots ON DELETE CASCADE, n int);
CREATE TABLE other (id int PRIMARY KEY, n int NOT NULL);
CREATE FUNCTION count_it() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN UPDATE slots SET taken = taken + 1 WHERE id = NEW.slot_id; RETURN NULL; END';
CREATE TRIGGER count_it AFTER UPDATE ON bookings FOR EACH ROW EXECUTE FUNCTION count_it();
"""
RESET = """
TRUNCATE slots, bookings, other;
INSERT INTO slots VALUES (1), (2);
INSERT INTO bookings VALUES (9, 2, 0);
INSERT INTO other VALUES (1, 0);
"""
LOOK = [f"SELECT * FROM {table} ORDER BY id" for table in ("slots", "bookings", "other")]

COUNT = ("SELECT taken FROM slots WHERE id = 1", "UPDATE slots SET taken = taken * 2 + 1 WHERE id = 1")
NAMED: dict[str, Sequence[Script]] = {
    "a change shows when it commits": [
        ("BEGIN", "UPDATE slots SET taken = 5 WHERE id = 1", "COMMIT"),
        ("SELECT taken FROM slots", "SELECT taken FROM slots", "UPDATE other SET n = 1"),
    ],
    "two who look and then write": [("BEGIN", *COUNT, "COMMIT"), ("BEGIN", *COUNT, "COMMIT")],
    "a child and the end of its parent": [
        ("BEGIN", "INSERT INTO bookings VALUES (1, 1)", "UPDATE other SET n = n + 1", "COMMIT"),
        ("BEGIN", "DELETE FROM slots WHERE id = 1", "COMMIT"),
    ],
    "the parent rolls back": [
        ("BEGIN", "DELETE FROM slots WHERE id = 1", "ROLLBACK"),
        ("INSERT INTO bookings VALUES (1, 1)", "SELECT count(*) FROM bookings"),
    ],
    "the same key twice": [
        ("BEGIN", "INSERT INTO bookings VALUES (1, 1)", "UPDATE other SET n = 1", "COMMIT"),
        ("BEGIN", "UPDATE other SET n = 2", "INSERT INTO bookings VALUES (1, 2)", "COMMIT"),
    ],
    "a trigger's table": [
        ("BEGIN", "UPDATE bookings SET n = 1", "COMMIT"),
        ("SELECT id FROM slots ORDER BY id FOR UPDATE SKIP LOCKED",),
    ],
    "a snapshot taken by another table's statement": [
        ("BEGIN ISOLATION LEVEL REPEATABLE READ", "SELECT n FROM other", "SELECT taken FROM slots", "COMMIT"),
        ("UPDATE slots SET taken = 7 WHERE id = 1",),
    ],
    "write skew under serializable": [
        ("BEGIN ISOLATION LEVEL SERIALIZABLE", "SELECT n FROM other", "UPDATE slots SET taken = 1", "COMMIT"),
        ("BEGIN ISOLATION LEVEL SERIALIZABLE", "SELECT taken FROM slots", "UPDATE other SET n = 1", "COMMIT"),
    ],
}


@pytest.fixture(scope="module")
async def ground() -> AsyncIterator[Ground]:
    async with postgres_server() as server:
        connection = await asyncpg.connect(server.dsn(), ssl=False)
        await connection.execute(SCHEMA)
        await connection.execute("ALTER SYSTEM SET deadlock_timeout = '1ms'")
        await connection.execute("SELECT pg_reload_conf()")
        ground = Ground(server.dsn(), RESET, LOOK, Footprints(await read_schema(connection)))
        yield ground
        await ground.close()
        await connection.close()


async def finals(
    ground: Ground, scripts: Sequence[Script], *, reduce: bool
) -> tuple[ScheduleSearch, set[object]]:
    await ground.open(len(scripts))
    search = ScheduleSearch(len(scripts), preemptions=2, reduce=reduce)
    found: set[object] = set()
    while (prefix := search.next()) is not None:
        steps, final = await ground.play(scripts, prefix.actors)
        assert search.learn(steps), search.notes
        found.add(final)
    assert search.exhausted
    assert not search.notes
    return search, found


@pytest.mark.parametrize("name", NAMED)
async def test_reduction_loses_no_final_state_of_a_real_database(ground: Ground, name: str) -> None:
    reduced, seen = await finals(ground, NAMED[name], reduce=True)
    full, wanted = await finals(ground, NAMED[name], reduce=False)
    assert seen == wanted
    assert len(wanted) > 1 or "rolls back" in name
    assert reduced.counts.run <= full.counts.run
