"""Drivers behave the same directly, observed and held."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import create_async_engine

from overbooked.wire.link import RelayLink
from tests.wire.postgres.server import PostgresServer
from tests.wire.watching_keeper import engage

Work = Callable[[str], object]


def executemany(dsn: str) -> object:
    with psycopg.connect(dsn) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TEMP TABLE many (n int PRIMARY KEY, name text)")
        cursor.executemany("INSERT INTO many VALUES (%s, %s)", [(n, f"name {n}") for n in range(500)])
        counted = cursor.rowcount
        cursor.executemany(
            "UPDATE many SET name = %s WHERE n < %s RETURNING n", [("x", 2), ("y", 3)], returning=True
        )
        returned = []
        while True:
            returned.append(cursor.fetchall())
            if not cursor.nextset():
                return counted, returned


def failing_pipeline(dsn: str) -> object:
    said: list[object] = []
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("CREATE TEMP TABLE piped (n int PRIMARY KEY)")
        try:
            with connection.pipeline() as pipeline:
                connection.execute("INSERT INTO piped VALUES (1)")
                connection.execute("INSERT INTO piped VALUES (1)")
                connection.execute("INSERT INTO piped VALUES (2)")
                pipeline.sync()
        except psycopg.Error as error:
            said.append(error.sqlstate)
        with connection.pipeline(), connection.transaction():
            connection.execute("INSERT INTO piped VALUES (5)")
        said.append(connection.execute("SELECT n FROM piped ORDER BY n").fetchall())
    return said


def server_cursor(dsn: str) -> object:
    with psycopg.connect(dsn) as connection, connection.cursor("walk") as cursor:
        cursor.itersize = 7
        cursor.execute("SELECT generate_series(1, 30)")
        return [row[0] for row in cursor]


def binary_copy(dsn: str) -> object:
    with psycopg.connect(dsn) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TEMP TABLE copied (n int8, name text)")
        with cursor.copy("COPY copied FROM STDIN (FORMAT BINARY)") as copy:
            copy.set_types(["int8", "text"])
            for n in range(3000):
                copy.write_row((n, "x" * 50))
        with cursor.copy("COPY copied TO STDOUT (FORMAT BINARY)") as copy:
            copy.set_types(["int8", "text"])
            return sum(row[0] for row in copy.rows())


def own_notifications(dsn: str) -> object:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("LISTEN own")
        connection.execute("NOTIFY own, 'one'")
        connection.execute("NOTIFY own, 'two'")
        return [heard.payload for heard in connection.notifies(timeout=5, stop_after=2)]


def nested_transactions(dsn: str) -> object:
    with psycopg.connect(dsn) as connection:
        connection.execute("CREATE TEMP TABLE nested (n int)")
        with connection.transaction():
            connection.execute("INSERT INTO nested VALUES (1)")
            with connection.transaction(force_rollback=True):
                connection.execute("INSERT INTO nested VALUES (2)")
        return connection.execute("SELECT n FROM nested").fetchall()


def two_phases(dsn: str) -> object:
    with psycopg.connect(dsn) as connection:
        xid = connection.xid(1, "overbooked", "test")
        connection.tpc_begin(xid)
        connection.execute("CREATE TABLE phases (n int)")
        connection.tpc_prepare()
        connection.tpc_rollback()
        return connection.execute("SELECT to_regclass('phases')").fetchone()


def sqlalchemy(dsn: str) -> object:
    async def run() -> object:
        engine = create_async_engine(dsn.replace("postgresql://", "postgresql+asyncpg://"))
        try:
            async with engine.begin() as connection:
                await connection.execute(text("CREATE TEMP TABLE alchemy (n int PRIMARY KEY)"))
                await connection.execute(text("INSERT INTO alchemy VALUES (:n)"), [{"n": 1}, {"n": 2}])
                try:
                    async with connection.begin_nested():
                        await connection.execute(text("INSERT INTO alchemy VALUES (2)"))
                except IntegrityError:
                    await connection.execute(text("INSERT INTO alchemy VALUES (3)"))
                found = await connection.execute(text("SELECT n FROM alchemy WHERE n > :n"), {"n": 1})
                return [row.n for row in found]
        finally:
            await engine.dispose()

    return asyncio.run(run())


@pytest.mark.parametrize("held", [False, True], ids=["observed", "held"])
@pytest.mark.parametrize(
    "work",
    [
        executemany,
        failing_pipeline,
        server_cursor,
        binary_copy,
        own_notifications,
        nested_transactions,
        two_phases,
        sqlalchemy,
    ],
)
async def test_it_is_the_same_straight_and_through_the_gate(
    postgres: PostgresServer, gated: RelayLink, dsn: str, work: Work, held: bool
) -> None:
    straight = await asyncio.to_thread(work, postgres.dsn())
    if held:
        engage(gated)
    assert await asyncio.to_thread(work, dsn) == straight
    assert gated.troubles() == ()
