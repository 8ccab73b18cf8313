"""Overlap inside the database: neither a driver's behaviour nor a closed connection hides a race."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import asyncpg
import psycopg
import pytest

from overbooked.interleavings.anomalies import Anomaly
from overbooked.interleavings.explorer import Explorer
from overbooked.verdicts.verdict import Verdict
from tests.interleavings.test_explorer import hall
from tests.overlap.defects import CASES, TABLES, Variant
from tests.overlap.drivers import ByPsycopg, ByPsycopgClientCursor, _named
from tests.overlap.ground import Ground, ground, prepared, verdict_of
from tests.wire.postgres.client import EXECUTE, FLUSH, SYNC, bind, parse
from tests.wire.postgres.server import PostgresServer, postgres_server
from tests.wire.raw_client import RawClient

CHECK_AND_INSERT = CASES[0].defect


@pytest.fixture(scope="session")
async def database() -> AsyncIterator[PostgresServer]:
    async with postgres_server() as running:
        side = await asyncpg.connect(running.dsn(), ssl=False)
        await side.execute("CREATE TABLE seats (slot text PRIMARY KEY, taken int NOT NULL)")
        await side.execute("CREATE TABLE bookings (slot text NOT NULL, at timestamptz DEFAULT now())")
        await side.close()
        yield running


class ByFlushAndSync:
    """Sends Execute and Flush, reads the answer, and only then sends Sync."""

    name = "Execute, Flush, Sync"
    early = True

    async def open(self, dsn: str, size: int) -> None:
        host, _, rest = dsn.rpartition("@")[2].partition(":")
        port, _, database = rest.partition("/")
        self._idle = [await RawClient.connect((host, int(port)), database) for _ in range(size)]
        self._all = list(self._idle)

    def close(self) -> None:
        for client in self._all:
            client.writer.close()

    async def book(self, variant: Variant, slot: str, who: str) -> bool:
        client = self._idle.pop()
        try:
            group = parse(variant.sql) + bind("", slot.encode(), who.encode()) + EXECUTE
            client.writer.write(group + (FLUSH if self.early else SYNC))
            rows = 0
            while (kind := (await client.message())[0]) not in "CZ":
                rows += kind == "D"
            await client.said(SYNC if self.early else b"")
            return bool(rows)
        finally:
            self._idle.append(client)


class BySync(ByFlushAndSync):
    """Sends Execute and Sync at once."""

    name = "Execute, Sync"
    early = False


@pytest.mark.parametrize("driver", [ByFlushAndSync, BySync], ids=lambda driver: driver.name)
async def test_a_driver_that_flushes_before_it_syncs_changes_no_verdict(
    database: PostgresServer, driver: Any
) -> None:
    granted = replace(CHECK_AND_INSERT, schema="GRANT ALL ON ALL TABLES IN SCHEMA public TO hashed;")
    async with ground(database, "flushed", granted, driver()) as there:
        explore, judge = there.explore()
        explored = await explore.explore(there.race)
    assert verdict_of(judge) is Verdict.OPEN
    assert explored.violation is not None
    assert explored.preempted == 1


BY_PROCEDURE = Variant(
    "CALL book($1, $2, NULL)",
    """
CREATE PROCEDURE book(wanted text, customer text, INOUT booked boolean) LANGUAGE plpgsql AS $$
BEGIN
    booked := (SELECT count(*) FROM bookings WHERE slot = wanted)
        < (SELECT capacity FROM slots WHERE id = wanted);
    IF booked THEN
        INSERT INTO bookings (slot, who) VALUES (wanted, customer);
    END IF;
END $$;
""",
)


@pytest.mark.parametrize("driver", [ByPsycopg, ByPsycopgClientCursor], ids=lambda driver: driver.name)
async def test_a_procedure_is_taken_apart_by_every_protocol(database: PostgresServer, driver: Any) -> None:
    async with ground(database, "procedure", BY_PROCEDURE, driver()) as there:
        explore, judge = there.explore()
        await explore.explore(there.race)
    assert verdict_of(judge) is Verdict.OPEN


class ByOneQuery(ByPsycopg):
    """Sends a whole transaction, BEGIN and COMMIT included, as one simple Query."""

    name = "one query"

    async def _book(self, connection: Any, variant: Variant, slot: str, who: str) -> bool:
        text = variant.sql.replace("$1", f"'{slot}'").replace("$2", f"'{who}'")
        await connection.execute(f"BEGIN; {text}; COMMIT")
        return await self._said(
            connection,
            "SELECT count(*) > 0 FROM bookings WHERE slot = $1 AND who = $2",
            {"p1": slot, "p2": who},
        )


class ByOnePipeline(ByPsycopg):
    """Sends a whole transaction in one pipeline, with one Sync behind it."""

    name = "one pipeline"

    async def _book(self, connection: Any, variant: Variant, slot: str, who: str) -> bool:
        async with connection.pipeline(), connection.transaction():
            cursor = await connection.execute(_named(variant.sql), {"p1": slot, "p2": who})
        row = await cursor.fetchone()
        return bool(row and row[0])


@pytest.mark.parametrize("driver", [ByOneQuery, ByOnePipeline], ids=lambda driver: driver.name)
async def test_a_transaction_that_is_sent_in_one_piece_hides_nothing(
    database: PostgresServer, driver: Any
) -> None:
    async with ground(database, "one piece", CHECK_AND_INSERT, driver()) as there:
        explore, judge = there.explore()
        await explore.explore(there.race)
    assert verdict_of(judge) is Verdict.OPEN


class ByAConnectionEach(ByPsycopg):
    """Connects for each request, takes a session lock and releases it by closing."""

    async def open(self, dsn: str, size: int) -> None:
        self._dsn, self._all = dsn, []

    def close(self) -> None:
        """Do nothing: no connection is kept."""

    async def book(self, variant: Variant, slot: str, who: str) -> bool:
        connection = await psycopg.AsyncConnection.connect(f"{self._dsn}?sslmode=disable", autocommit=True)
        try:
            await connection.execute("SELECT pg_advisory_lock(hashtext(%s))", (slot,))
            return await self._book(connection, variant, slot, who)
        finally:
            await connection.close()


async def test_the_end_of_a_session_that_frees_a_lock_is_a_step_and_every_run_has_the_same_schedules(
    database: PostgresServer,
) -> None:
    seen = []
    async with ground(database, "locked", CHECK_AND_INSERT, ByAConnectionEach()) as there:
        for _ in range(3):
            explore, judge = there.explore(seed=7)
            watched = _watch(explore)
            explored = await explore.explore(there.race)
            assert verdict_of(judge) is Verdict.CLOSED
            assert explored.exhausted
            seen.append(watched)
    assert seen[0]
    assert seen[0] == seen[1] == seen[2]
    assert any("TERMINATE" in line for line in next(iter(seen[0])))


def _watch(explore: Explorer) -> set[tuple[str, ...]]:
    """Return a set that receives the shapes of every schedule that is run."""
    found: set[tuple[str, ...]] = set()
    explore._watch = lambda _, trace: found.add(trace.shape)
    return found


async def test_a_race_that_a_closed_connection_lets_happen_is_found(database: PostgresServer) -> None:
    """The connection that holds the lock is closed before the booking is committed on another one."""

    class LocksElsewhere(ByAConnectionEach):
        async def book(self, variant: Variant, slot: str, who: str) -> bool:
            url = f"{self._dsn}?sslmode=disable"
            holds = await psycopg.AsyncConnection.connect(url, autocommit=True)
            await holds.execute("SELECT pg_advisory_lock(hashtext(%s))", (slot,))
            books = await psycopg.AsyncConnection.connect(url)
            try:
                booked = await self._said(books, variant.sql, {"p1": slot, "p2": who})
                await holds.close()
                await books.commit()
                return booked
            finally:
                await books.close()

    async with ground(database, "elsewhere", CHECK_AND_INSERT, LocksElsewhere()) as there:
        explore, judge = there.explore()
        explored = await explore.explore(there.race)
        assert verdict_of(judge) is Verdict.OPEN
        assert explored.violation is not None
        await _replays(there, explore, explored.violation.ran.trace.schedule)


async def _replays(there: Ground, explore: Explorer, schedule: tuple[int, ...]) -> None:
    wanted = (await explore.run_schedule(there.race, schedule=schedule)).trace.shape
    assert (await explore.run_schedule(there.race, schedule=schedule)).trace.shape == wanted


async def test_a_schedule_without_commits_of_their_own_is_followed_as_it_was_made(
    database: PostgresServer,
) -> None:
    """Bundles of schema version 1 have such schedules."""
    await prepared(database, "older", TABLES)
    async with ground(database, "older", CHECK_AND_INSERT, ByPsycopg()) as there:
        there.stage.splits, there.stage.begins_apart = None, False
        explore, _ = there.explore()
        ran = await explore.run_schedule(there.race, schedule=(0, 1))
        assert ran.trace.schedule == (0, 1)
        assert [step.verb for step in ran.trace.steps] == ["INSERT", "INSERT"]


async def test_what_cannot_be_taken_apart_is_named_in_the_evidence(database: PostgresServer) -> None:
    async def vacuums(connection: asyncpg.Connection[Any], slot: str) -> tuple[int, dict[str, str]]:
        await connection.execute("VACUUM seats")
        taken = await connection.fetchval(
            "UPDATE seats SET taken = 1 WHERE slot = $1 AND taken = 0 RETURNING true", slot
        )
        return (201, {"id": "b"}) if taken else (409, {"type": "full"})

    async with hall(database, vacuums) as there:
        explored = await there.explore.explore(there.race())
    (named,) = explored.unsplit
    assert named.startswith("'VACUUM seats'")
    assert explored.as_note()["unsplit"] == [named]


async def test_who_tries_again_by_an_autocommit_statement_lets_others_go_on(
    database: PostgresServer,
) -> None:
    """The lock is a row, taken by an INSERT that is repeated until it succeeds."""

    async def spins(connection: asyncpg.Connection[Any], slot: str) -> tuple[int, dict[str, str]]:
        takes = "INSERT INTO spins VALUES ($1) ON CONFLICT DO NOTHING RETURNING true"
        while not await connection.fetchval(takes, slot):
            pass
        try:
            if await connection.fetchval("SELECT count(*) FROM bookings WHERE slot = $1", slot):
                return 409, {"type": "full"}
            await connection.execute("INSERT INTO bookings (slot) VALUES ($1)", slot)
            return 201, {"id": "b"}
        finally:
            await connection.execute("DELETE FROM spins WHERE slot = $1", slot)

    side = await asyncpg.connect(database.dsn(), ssl=False)
    await side.execute("CREATE TABLE IF NOT EXISTS spins (slot text PRIMARY KEY)")
    await side.close()
    async with hall(database, spins) as there:
        explored = await there.explore.explore(there.race())
        assert there.verdict() is Verdict.CLOSED
    assert explored.exhausted
    assert explored.yielded


# -- names of findings ---------------------------------------------------------------------------


async def test_a_gap_without_any_check_needs_no_race(database: PostgresServer) -> None:
    async def always(connection: asyncpg.Connection[Any], slot: str) -> tuple[int, dict[str, str]]:
        await connection.execute("INSERT INTO bookings (slot) VALUES ($1)", slot)
        return 201, {"id": "b"}

    async with hall(database, always) as there:
        await there.explore.explore(there.race())
        (result,) = there.judge.conclude(None)
    assert result.finding is not None
    assert result.finding.observed.endswith("schedule 1, no race needed")
    assert result.finding.details["anomaly"] == Anomaly.NO_RACE.value


async def test_a_deadlock_is_called_one(database: PostgresServer) -> None:
    async def shares_then_writes(
        connection: asyncpg.Connection[Any], slot: str
    ) -> tuple[int, dict[str, str]]:
        async with connection.transaction():
            if await connection.fetchval("SELECT taken FROM seats WHERE slot = $1 FOR SHARE", slot):
                return 409, {"type": "full"}
            await connection.execute("UPDATE seats SET taken = 1 WHERE slot = $1", slot)
            await connection.execute("INSERT INTO bookings (slot) VALUES ($1)", slot)
        return 201, {"id": "b"}

    async with hall(database, shares_then_writes) as there:
        await there.explore.explore(there.race())
        (result,) = there.judge.conclude(None)
    assert result.verdict is Verdict.OPEN
    assert result.finding is not None
    assert result.finding.details["anomaly"] == Anomaly.DEADLOCK.value
