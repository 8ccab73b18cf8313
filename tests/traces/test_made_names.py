"""Tables and schemas that a service creates per object do not make schedules differ."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from overbooked.interleavings.reporting import FixedSchedule
from overbooked.interleavings.scheduler.race import RaceFunction, Races
from overbooked.traces.made_names import MadeNames, names_in
from overbooked.traces.trace import Trace, TraceActor, TraceStep
from overbooked.verdicts.verdict import Verdict
from tests.interleavings.test_explorer import Hall, hall
from tests.targets.town import Reply
from tests.wire.postgres.server import PostgresServer, postgres_server


@pytest.fixture(scope="module")
async def database() -> AsyncIterator[PostgresServer]:
    async with postgres_server() as server:
        yield server


async def look_then_leap(connection: asyncpg.Connection[Any], slot: str) -> Reply:
    """Use a schema per slot, and create a table per booking."""
    paper = f"paper_{uuid4().hex[:6]}"
    async with connection.transaction():
        if await connection.fetchval(f'SELECT taken FROM "{slot}".seats'):
            return 409, {"type": "full"}
        await connection.execute(f'CREATE TABLE "{slot}".{paper} (line text)')
        await connection.execute(f'INSERT INTO "{slot}".{paper} VALUES (1)')
        await connection.execute(f'UPDATE "{slot}".seats SET taken = taken + 1')
    return 201, {"id": "b"}


def race(there: Hall) -> RaceFunction:
    async def one_wins() -> Races:
        while True:
            slot = replace(await there.system.open_slot(capacity=1), id=f"Hall-{uuid4().hex[:8]}")
            await there.side.execute(f'CREATE SCHEMA "{slot.id}"')
            await there.side.execute(f'CREATE TABLE "{slot.id}".seats AS SELECT 0 AS taken')
            people = await there.system.customers(2)
            ran = yield [who.books(slot) for who in people]
            with there.judge(*there.judge.clauses):
                there.one_wins(ran)

    return one_wins


async def test_a_schedule_that_is_replayed_is_as_it_was_recorded(database: PostgresServer) -> None:
    async with hall(database, look_then_leap) as there:
        there.explore._made = MadeNames(database.dsn())
        explored = await there.explore.explore(race(there), name="race")
        assert explored.violation is not None
        trace = explored.violation.ran.trace
    told = " ".join(trace.shape)
    assert "SELECT taken FROM made1.seats" in told
    assert "INSERT INTO made1.made2" in told
    assert "Hall-" not in told
    assert "paper_" not in told
    script = FixedSchedule(trace.schedule, "race", trace.shape)
    async with hall(database, look_then_leap, script=script) as there:
        there.explore._made = MadeNames(database.dsn())
        await there.explore.explore(race(there), name="race")
        (result,) = there.judge.conclude(None)
    # It raises where a step is not as recorded; the gap is found again.
    assert result.verdict is Verdict.OPEN


@pytest.mark.parametrize(
    ("shape", "names"),
    [
        (
            'SELECT a FROM "Hall-1".seats s JOIN other ON s.id = other.id',
            ("Hall-1", "seats", "other", "s", "id"),
        ),
        ("CREATE TABLE IF NOT EXISTS event_x (id int REFERENCES venue_y)", ("event_x", "venue_y")),
        ("INSERT INTO Event_X VALUES (?)", ("event_x",)),
        ("SELECT ? FROM seats FOR UPDATE SKIP LOCKED", ("seats",)),
        ("SET search_path TO tenant_a, public", ("tenant_a", "public")),
        ("SELECT count(*)", ()),
    ],
)
def test_names_are_found_where_sql_has_them(shape: str, names: tuple[str, ...]) -> None:
    assert set(names) <= set(names_in(shape))
    if not names:
        assert names_in(shape) == ()


async def test_what_is_no_relation_of_the_database_keeps_its_name(database: PostgresServer) -> None:
    made = MadeNames(database.dsn())
    await made.ready()
    shape = "WITH free AS (SELECT ?) SELECT EXTRACT(EPOCH FROM created) FROM free f"
    steps = (TraceStep(0, "app->postgres", "postgres", 1, "SELECT", shape, shape),)
    trace = Trace((TraceActor("ana", "book"),), steps)
    assert await made.renumbered(trace) is trace
