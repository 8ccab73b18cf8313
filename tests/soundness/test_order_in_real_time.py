"""An actor begins when it is first scheduled, so a completed operation precedes those that begin later."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from itertools import count
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from overbooked.interleavings.exploration import Inconclusive
from overbooked.interleavings.scheduler.race import RaceFunction, Races
from overbooked.oracles.linearizability import linearizable
from overbooked.targets.adapter import Action, HttpRequest, Slot
from overbooked.traces.trace import Trace
from overbooked.verdicts.verdict import Verdict
from tests.interleavings.test_explorer import CLAUSE, Book, Hall, hall
from tests.targets.town import Reply, read
from tests.wire.postgres.server import PostgresServer, postgres_server


@pytest.fixture(scope="module")
async def database() -> AsyncIterator[PostgresServer]:
    async with postgres_server() as running:
        side = await asyncpg.connect(running.dsn(), ssl=False)
        await side.execute("CREATE TABLE seats (slot text PRIMARY KEY, taken int NOT NULL)")
        await side.close()
        yield running


def office(*, forgets: bool, looks: bool) -> Book:
    """A service that remembers full slots; a cancellation clears that memory, or forgets to."""
    full: set[str] = set()
    numbers = count(1)

    async def serve(connection: asyncpg.Connection[Any], path: str) -> Reply:
        verb, _, slot = path.rpartition("/")
        if verb == "cancel":
            await connection.execute("UPDATE seats SET taken = taken - 1 WHERE slot = $1", slot)
            if not forgets:
                full.discard(slot)
            return 200, {}
        if looks:
            await connection.fetchval("SELECT true FROM seats WHERE slot = $1", slot)
        if slot in full:
            return 409, {"type": "full"}
        claim = "UPDATE seats SET taken = 1 WHERE slot = $1 AND taken = 0 RETURNING true"
        if await connection.fetchval(claim, slot):
            return 201, {"id": f"b{next(numbers)}"}
        full.add(slot)
        return 409, {"type": "full"}

    return serve


def cancel_and_book(there: Hall) -> RaceFunction:
    """The only booking of a slot, which is known as full, is cancelled while another customer books."""

    async def race() -> Races:
        while True:
            slot = replace(await there.system.open_slot(capacity=1), id=str(uuid4()))
            await there.side.execute("INSERT INTO seats VALUES ($1, 0)", slot.id)
            ana, ben, cem = await there.system.customers(3)
            booked = await there.system.do(ana.books(slot))
            await there.system.do(cem.books(slot))
            ran = yield [cancelled(slot, str(booked.facts["booking"])), ben.books(slot)]
            with there.judge(CLAUSE):
                linearizable(ran.history, [slot])

    return race


def cancelled(slot: Slot, booking: str) -> Action:
    sent = HttpRequest("POST", f"/book/cancel/{slot.id}", {}, b"{}")
    return Action("cancel", "ana", sent, read, {"booking": booking})


@pytest.mark.parametrize(
    ("forgets", "looks", "apart", "verdict"),
    [
        (True, True, True, Verdict.OPEN),
        (True, False, True, Verdict.OPEN),
        (True, True, False, Verdict.CLOSED),
        (False, True, True, Verdict.CLOSED),
        (False, False, True, Verdict.CLOSED),
    ],
    ids=["stale", "no statement", "all begin before the first step", "cleared", "no statement, cleared"],
)
async def test_a_cache_that_is_stale_after_a_completed_write_is_found(
    database: PostgresServer, forgets: bool, looks: bool, apart: bool, verdict: Verdict
) -> None:
    async with hall(database, office(forgets=forgets, looks=looks)) as there:
        there.explore.stage.begins_apart = apart
        explored = await there.explore.explore(cancel_and_book(there))
        assert there.verdict() is verdict
        if verdict is Verdict.OPEN:
            assert explored.violation is not None
            assert explored.violation.preemptions == 0


async def test_operations_whose_statements_are_independent_run_in_both_orders_and_overlap(
    database: PostgresServer,
) -> None:
    seen: list[tuple[int, ...]] = []

    async def reads(connection: asyncpg.Connection[Any], _: str) -> Reply:
        await connection.fetchval("SELECT count(*) FROM seats")
        return 200, {"id": "b"}

    async with hall(database, reads) as there:
        there.explore._watch = lambda _, trace: seen.append(precedence(trace))
        with pytest.raises(Inconclusive, match="no exploration; do these"):
            await there.explore.explore(reading(there))
    assert sorted(seen) == [(), (0, 1), (1, 0)]


def reading(there: Hall) -> RaceFunction:
    async def race() -> Races:
        while True:
            slot = await there.system.open_slot(capacity=1)
            yield [who.books(slot) for who in await there.system.customers(2)]
            with there.judge(CLAUSE):
                pass

    return race


def precedence(trace: Trace) -> tuple[int, ...]:
    """Return the actors in order if one ended before the other began, else nothing."""
    one, other = sorted(range(2), key=lambda n: trace.actors[n].first_step or 0)
    ended, began = trace.actors[one].last_step, trace.actors[other].first_step
    assert ended is not None
    assert began is not None
    return (one, other) if ended < began else ()
