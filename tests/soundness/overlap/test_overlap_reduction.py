"""The reduction of orders of autocommit statements and their commits omits no outcome."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import suppress
from functools import partial
from typing import Any

import asyncpg
import pytest

from overbooked.interleavings.exploration import Inconclusive
from overbooked.interleavings.explorer import Explorer
from overbooked.interleavings.scheduler.actors import Actor
from overbooked.interleavings.scheduler.race import Races
from overbooked.profiles import load_profile
from overbooked.targets.adapter import Answer, Outcome
from overbooked.verdicts.judge import Judge
from tests.overlap.cells import Laboratory, laboratory
from tests.overlap.ground import CLAUSE
from tests.wire.postgres.server import PostgresServer, postgres_server

STATEMENTS = (
    "UPDATE item SET value = value + 1 WHERE id = 1 AND value < 11 RETURNING value",
    "UPDATE item SET value = (SELECT max(value) FROM item) + 1 WHERE id = 2 RETURNING value",
    "DELETE FROM item WHERE value > 10 RETURNING id",
    "INSERT INTO item SELECT 3, count(*) FROM item ON CONFLICT DO NOTHING RETURNING value",
    "INSERT INTO item SELECT max(id) + 1, 0 FROM item RETURNING id",
    "SELECT sum(value) FROM item",
    "SELECT value FROM item WHERE id = 1 FOR UPDATE",
    "WITH gone AS (DELETE FROM item WHERE id = 1 RETURNING value) INSERT INTO item SELECT 9, value FROM gone "
    "ON CONFLICT (id) DO UPDATE SET value = item.value + 1 RETURNING value",
    "SELECT pg_try_advisory_lock(1)",
    "SELECT pg_advisory_unlock_all()",
)
RESET = "DELETE FROM item; INSERT INTO item VALUES (1, 10), (2, 20)"


@pytest.fixture(scope="session")
async def server() -> AsyncIterator[PostgresServer]:
    async with postgres_server() as running:
        yield running


@pytest.mark.parametrize("seed", range(10))
async def test_orders_that_are_left_out_lead_nowhere_else(server: PostgresServer, seed: int) -> None:
    rng = random.Random(seed)
    actors = 3 if seed % 3 == 2 else 2
    programs = [rng.choices(STATEMENTS, k=1 if actors == 3 else 2) for _ in range(actors)]
    async with laboratory(server) as there:
        whole = await _outcomes(there, programs, reduce=False)
        reduced = await _outcomes(there, programs, reduce=True)
    assert reduced == whole, programs


async def _outcomes(there: Laboratory, programs: list[list[str]], *, reduce: bool) -> set[str]:
    found: set[str] = set()
    judge = Judge((CLAUSE,), "orders")
    budget = load_profile("quick").budget
    explore = Explorer(there._system, judge, budget, there._stage, there._footprinting)
    with suppress(Inconclusive):  # for independent statements one order represents all
        await explore.explore(_race, there, programs, found, preemptions=9, reduce=reduce)
    assert found
    return found


async def _race(there: Laboratory, programs: list[list[str]], found: set[str]) -> Races:
    async def speak(number: int, _: int) -> Answer:
        connection = there._connections[number]
        for text in programs[number]:
            try:
                seen[number].append([tuple(row) for row in await connection.fetch(text)])
            except asyncpg.PostgresError as error:
                seen[number].append(error.sqlstate)
        await connection.fetch("SELECT pg_advisory_unlock_all()")
        return Answer(Outcome.OK, None)

    actors = [Actor(f"A{n + 1}", "speak", partial(speak, n)) for n in range(len(programs))]
    while True:
        await there._side.execute(RESET)
        seen: list[list[Any]] = [[] for _ in programs]
        yield actors
        rows = await there._side.fetch("SELECT * FROM item ORDER BY id")
        with Judge((CLAUSE,), "orders")(CLAUSE):
            found.add(repr((seen, [tuple(row) for row in rows])))
