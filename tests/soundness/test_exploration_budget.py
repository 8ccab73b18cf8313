"""An exploration that does not finish is never closed, and reports its progress."""

from __future__ import annotations

import math
import time
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from overbooked.interleavings.allowance import Allowance
from overbooked.interleavings.exploration import Inconclusive
from overbooked.runs.deadlines import Limit
from overbooked.verdicts.verdict import Verdict
from tests.interleavings.test_explorer import hall
from tests.targets.town import Reply
from tests.wire.postgres.server import PostgresServer, postgres_server


@pytest.fixture(scope="module")
async def database() -> AsyncIterator[PostgresServer]:
    async with postgres_server() as server:
        connection = await asyncpg.connect(server.dsn(), ssl=False)
        await connection.execute("CREATE TABLE seats (slot text PRIMARY KEY, taken int NOT NULL)")
        await connection.execute("CREATE TABLE notes (slot text NOT NULL, n int NOT NULL)")
        await connection.close()
        yield server


async def talkative(connection: asyncpg.Connection[Any], slot: str) -> Reply:
    """A correct service that reads its slot many times and takes the seat by one statement."""
    taken = await connection.fetchval(
        "UPDATE seats SET taken = taken + 1 WHERE slot = $1 AND taken = 0 RETURNING taken", slot
    )
    for _ in range(8):
        await connection.fetchval("UPDATE seats SET taken = taken WHERE slot = $1 RETURNING taken", slot)
    return (201, {"id": "b"}) if taken else (409, {"type": "full"})


async def test_a_space_too_large_for_its_time_is_inconclusive_and_says_how_far_it_came(
    database: PostgresServer,
) -> None:
    async with hall(database, talkative) as there:
        until = time.monotonic() + 6
        there.explore._ask = lambda _: until - time.monotonic()
        with pytest.raises(Inconclusive) as stopped:
            await there.explore.explore(there.race(), preemptions=4, reduce=False)
        (result,) = there.judge.conclude(stopped.value)
    assert result.verdict is Verdict.INCONCLUSIVE
    said = str(stopped.value)
    assert " of about " in said
    assert "schedules with at most 4 preemptions were run" in said
    assert "no other strategy went on: there was no time for more" in said
    (note,) = result.notes["interleavings"]
    assert note["exhausted"] is False
    assert note["waiting"] > 0
    # It ended by itself, with time to spare for what comes after.
    assert time.monotonic() < until


async def test_a_number_of_schedules_that_is_too_small_is_inconclusive_too(database: PostgresServer) -> None:
    async with hall(database, talkative) as there:
        with pytest.raises(Inconclusive, match=r"5 of about \d+ schedules .*schedules is too small"):
            await there.explore.explore(there.race(), preemptions=2, schedules=5)
        (result,) = there.judge.conclude(None)
    assert result.verdict is not Verdict.CLOSED


async def test_the_time_grows_with_the_space_that_is_found(database: PostgresServer) -> None:
    limit = Limit(0.5, most=120)
    async with hall(database, talkative) as there:
        there.explore._ask = limit.ask
        explored = await there.explore.explore(there.race(), preemptions=1)
        (result,) = there.judge.conclude(None)
    assert explored.exhausted
    assert result.verdict is Verdict.CLOSED
    assert limit.seconds > 0.5


def test_a_limit_grows_as_far_as_it_may_and_never_beyond_the_end_of_the_run() -> None:
    fixed = Limit(10)
    assert fixed.ask(500) <= 10
    assert fixed.seconds == 10
    growing = Limit(10, most=50)
    assert 19 < growing.ask(20) <= 20.1
    assert growing.ask(500) <= 50
    assert growing.ask(1) > 40  # it never shrinks
    ending = Limit(10, time.time() + 3, most=50)
    assert ending.ask(500) <= 3


def test_an_allowance_asks_for_what_the_branches_that_wait_will_cost() -> None:
    asked: list[float] = []

    def ask(seconds: float) -> float:
        asked.append(seconds)
        return math.inf

    allowance = Allowance(ask)
    allowance._began -= 2.0  # two seconds a schedule
    assert allowance.reaches(10)
    assert asked[0] == pytest.approx(2.0 * 10 * 1.3 + 6.0, rel=0.1)
    assert not Allowance(lambda _: -1.0).reaches(10)
