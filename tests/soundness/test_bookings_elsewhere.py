"""A service that stores its bookings outside all links is not closed by the order of other messages."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from overbooked.interleavings.exploration import Inconclusive
from overbooked.verdicts.verdict import Verdict
from tests.interleavings.test_explorer import Book, hall
from tests.targets.town import Call, Reply
from tests.wire.postgres.server import PostgresServer, postgres_server


@pytest.fixture(scope="module")
async def database() -> AsyncIterator[PostgresServer]:
    async with postgres_server() as server:
        connection = await asyncpg.connect(server.dsn(), ssl=False)
        await connection.execute("CREATE TABLE seats (slot text PRIMARY KEY, taken int NOT NULL)")
        await connection.execute("CREATE TABLE guests (token text PRIMARY KEY)")
        await connection.close()
        yield server


def in_memory(statement: str) -> Book:
    """Return a service that sells a place to two concurrent customers; PostgreSQL has only the customers."""
    taken: set[str] = set()

    async def book(connection: asyncpg.Connection[Any], slot: str) -> Reply:
        async with connection.transaction():
            await connection.fetch(statement)
        if slot in taken:
            return 409, {"type": "full"}
        await asyncio.sleep(0)
        taken.add(slot)
        return 201, {"id": "b"}

    return book


@pytest.mark.parametrize(
    "statement", ["SELECT token FROM guests", "SELECT count(*) FROM seats", "SELECT now()", "SHOW timezone"]
)
async def test_what_only_reads_over_its_links_is_not_closed(database: PostgresServer, statement: str) -> None:
    async with hall(database, in_memory(statement)) as there:
        with pytest.raises(Inconclusive) as stopped:
            await there.explore.explore(there.race())
        (result,) = there.judge.conclude(stopped.value)
    assert result.verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize("statement", ["SELECT token FROM guests", "SELECT count(*) FROM seats"])
async def test_one_reading_statement_of_each_is_no_exploration(
    database: PostgresServer, statement: str
) -> None:
    """A driver without transactions and resets: one boundary per actor, independent of the other's."""
    taken: set[str] = set()
    free: list[asyncpg.Connection[Any]] = []

    async with hall(database, in_memory(statement)) as there:
        link: Any = there.explore.stage._links["app->postgres"]
        for _ in range(3):
            free.append(await asyncpg.connect(database.dsn(link.address), ssl=False))

        async def reply(call: Call) -> Reply:
            if not call.path.startswith("/book/"):
                return 200, {}
            connection = free.pop()
            try:
                await connection.execute(statement)
            finally:
                free.append(connection)
            if call.path in taken:
                return 409, {"type": "full"}
            taken.add(call.path)
            return 201, {"id": "b"}

        there.town.reply = reply
        with pytest.raises(Inconclusive, match="no write crossed a link"):
            await there.explore.explore(there.race())
        (result,) = there.judge.conclude(None)
        for connection in free:
            connection.terminate()
    assert result.verdict is Verdict.INCONCLUSIVE
