"""A correct service that does more at a customer's first success is judged; one that drifts is reported."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from overbooked.interleavings.exploration import Inconclusive
from overbooked.interleavings.paths import Paths
from overbooked.interleavings.scheduler.race import RaceFunction, Races
from overbooked.traces.trace import Trace, TraceActor, TraceStep
from overbooked.verdicts.verdict import Verdict
from tests.interleavings.test_explorer import Hall, hall
from tests.targets.town import Reply
from tests.wire.postgres.server import PostgresServer, postgres_server


@pytest.fixture(scope="module")
async def database() -> AsyncIterator[PostgresServer]:
    async with postgres_server() as server:
        connection = await asyncpg.connect(server.dsn(), ssl=False)
        await connection.execute("CREATE TABLE seats (slot text PRIMARY KEY, taken int NOT NULL)")
        await connection.execute("CREATE TABLE profiles (who text PRIMARY KEY, bookings int NOT NULL)")
        await connection.close()
        yield server


async def books(connection: asyncpg.Connection[Any], where: str, *, drifts: bool) -> Reply:
    """Take the seat under a lock; at a customer's first success make its profile."""
    slot, _, who = where.partition("/")
    async with connection.transaction():
        if await connection.fetchval("SELECT taken FROM seats WHERE slot = $1 FOR UPDATE", slot):
            return 409, {"type": "full"}
        await connection.execute("UPDATE seats SET taken = 1 WHERE slot = $1", slot)
        known = await connection.fetchval("SELECT bookings FROM profiles WHERE who = $1", who)
        if known is None:
            await connection.execute("INSERT INTO profiles VALUES ($1, 1)", who)
            await connection.execute("UPDATE profiles SET bookings = 1 WHERE who = $1", who)
        elif drifts:
            await connection.execute("UPDATE profiles SET bookings = bookings + 1 WHERE who = $1", who)
            for _ in range(known % 3):
                await connection.execute("SELECT count(*) FROM profiles")
    return 201, {"id": "b"}


def regular(drifts: bool) -> Callable[[asyncpg.Connection[Any], str], Awaitable[Reply]]:
    async def book(connection: asyncpg.Connection[Any], where: str) -> Reply:
        return await books(connection, where, drifts=drifts)

    return book


async def same_customers(there: Hall, customers: int) -> RaceFunction:
    """A race as in scenarios: the customers are created once, every schedule has its own slot."""
    crowd = await there.system.customers(customers)
    names = {one: str(uuid4()) for one in crowd}

    async def race() -> Races:
        while True:
            slot = replace(await there.system.open_slot(capacity=1), id=str(uuid4()))
            await there.side.execute("INSERT INTO seats VALUES ($1, 0)", slot.id)
            actions = []
            for one in crowd:
                action = one.books(slot)
                path = f"/book/{slot.id}/{names[one]}"
                actions.append(replace(action, request=replace(action.request, path=path)))
            ran = yield actions
            with there.judge(*there.judge.clauses):
                there.one_wins(ran)

    return race


async def test_more_at_a_customers_first_success_is_over_before_anything_is_judged(
    database: PostgresServer,
) -> None:
    async with hall(database, regular(drifts=False)) as there:
        explored = await there.explore.explore(await same_customers(there, 3), preemptions=1)
        (result,) = there.judge.conclude(None)
    assert result.verdict is Verdict.CLOSED
    assert explored.exhausted
    assert explored.again == 0
    assert {outcome.index("201") for outcome in explored.outcomes} == {0, 1, 2}


async def test_a_service_that_does_something_else_each_time_is_inconclusive_and_the_statement_is_named(
    database: PostgresServer,
) -> None:
    async with hall(database, regular(drifts=True)) as there:
        with pytest.raises(Inconclusive) as stopped:
            await there.explore.explore(await same_customers(there, 2))
        (result,) = there.judge.conclude(stopped.value)
    assert result.verdict is Verdict.INCONCLUSIVE
    assert "SELECT count(*) FROM profiles" in str(stopped.value)
    assert "in earlier schedules it was" in str(stopped.value)


def trace(*shapes: str) -> Trace:
    steps = tuple(
        TraceStep(0, "app->postgres", "postgres", 1, shape.split()[0], shape, shape) for shape in shapes
    )
    return Trace((TraceActor("ana", "book"),), steps)


def test_the_statement_by_which_an_actor_departs_is_told_from_the_nearest_way_it_has_gone() -> None:
    paths = Paths()
    assert paths.departure(["ana"], {0: ["BEGIN"]}) == ""
    paths.learn(trace("BEGIN", "SELECT taken", "UPDATE seats", "COMMIT"))
    paths.learn(trace("BEGIN", "SELECT taken", "ROLLBACK"))
    assert paths.departure(["ana"], {0: ["BEGIN", "SELECT taken"]}) == ""
    assert paths.departure(["ana"], {0: ["BEGIN", "SELECT taken", "UPDATE seats", "INSERT profile"]}) == (
        "step 4 of ana is `INSERT profile`, and in earlier schedules it was `COMMIT`"
    )
    longer = ["BEGIN", "SELECT taken", "ROLLBACK", "SELECT 1"]
    assert paths.departure(["ana"], {0: longer}).endswith(
        "is `SELECT 1`, and in earlier schedules it was its end"
    )
