"""A race function that could close a clause without having judged it is refused, explored or played."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from overbooked.bursts.bursts import Bursts
from overbooked.errors import GapFound, HarnessError, UsageError
from overbooked.histories.history import History
from overbooked.interleavings.race_source import RaceSource
from overbooked.interleavings.scheduler.race import RaceFunction, RaceResult, Races
from overbooked.observe.polling import eventually
from overbooked.targets.adapter import Action, Answer, HttpRequest, Outcome
from overbooked.verdicts.judge import Judge
from overbooked.verdicts.verdict import Verdict
from tests.interleavings.test_explorer import CLAUSE, Hall, hall, lock_then_look
from tests.wire.postgres.server import PostgresServer, postgres_server


@pytest.fixture(scope="module")
async def database() -> AsyncIterator[PostgresServer]:
    async with postgres_server() as server:
        connection = await asyncpg.connect(server.dsn(), ssl=False)
        await connection.execute("CREATE TABLE seats (slot text PRIMARY KEY, taken int NOT NULL)")
        await connection.execute("CREATE TABLE bookings (slot text NOT NULL, at timestamptz DEFAULT now())")
        await connection.close()
        yield server


async def booked(there: Hall) -> list[Action]:
    """Two customers who book a fresh slot."""
    slot = replace(await there.system.open_slot(capacity=1), id=str(uuid4()))
    await there.side.execute("INSERT INTO seats VALUES ($1, 0)", slot.id)
    return [who.books(slot) for who in await there.system.customers(2)]


async def yields_nothing(there: Hall) -> Races:
    for actions in ():
        yield actions


async def yields_no_actors(there: Hall) -> Races:
    while True:
        yield []
        with there.judge(CLAUSE):
            pass


async def yields_once(there: Hall) -> Races:
    yield await booked(there)
    with there.judge(CLAUSE):
        pass


async def judges_nothing(there: Hall) -> Races:
    while True:
        yield await booked(there)


async def judges_before(there: Hall) -> Races:
    while True:
        actions = await booked(there)
        with there.judge(CLAUSE):
            pass
        yield actions


async def judges_every_other_result(there: Hall) -> Races:
    while True:
        yield await booked(there)
        yield await booked(there)
        with there.judge(CLAUSE):
            pass


async def swallows(there: Hall) -> Races:
    while True:
        yield await booked(there)
        with there.judge(CLAUSE):
            try:
                raise GapFound("sold twice")
            except GapFound:
                pass


BROKEN = [
    (yields_nothing, "it yields no actions, so nothing was run"),
    (yields_no_actors, "yields no actors"),
    (yields_once, "ended after it had yielded once, and another race is needed"),
    (judges_nothing, "judges nothing after its `yield`"),
    (judges_before, "judges SYS-03.a before it yields"),
    (judges_every_other_result, "judges nothing after its `yield`"),
    (swallows, r"catches a finding of its own \(sold twice\)"),
]


@pytest.mark.parametrize(("race", "why"), BROKEN, ids=[race.__name__ for race, _ in BROKEN])
@pytest.mark.parametrize("means", ["explored", "played"])
async def test_a_race_that_judges_nothing_closes_nothing(
    database: PostgresServer, race: RaceFunction, why: str, means: str
) -> None:
    async with hall(database, lock_then_look) as there:
        bursts = Bursts(there.system, there.judge)
        run = there.explore.explore if means == "explored" else partial(bursts.play, rounds=2)
        with pytest.raises(HarnessError, match=why):
            await run(race, there)
        await bursts.close()
        # The scenario catches the error: that closes nothing either.
        (result,) = there.judge.conclude(None)
    assert result.verdict is Verdict.INCONCLUSIVE


async def test_a_clause_that_no_block_of_the_race_judges_is_not_closed(database: PostgresServer) -> None:
    async with hall(database, lock_then_look, clauses=(CLAUSE, "SYS-03.b")) as there:

        async def judges_one() -> Races:
            while True:
                ran = yield await booked(there)
                with there.judge(CLAUSE):
                    there.one_wins(ran)

        with pytest.raises(HarnessError, match=r"judges nothing for SYS-03\.b after its `yield`"):
            await there.explore.explore(judges_one)
        results = there.judge.conclude(None)
    assert {result.verdict for result in results} == {Verdict.INCONCLUSIVE}


async def test_an_exploration_of_zero_schedules_closes_nothing(database: PostgresServer) -> None:
    async with hall(database, lock_then_look) as there:
        with pytest.raises(HarnessError, match="0 of about 1 schedules"):
            await there.explore.explore(there.race(), schedules=0)
        (result,) = there.judge.conclude(None)
    assert result.verdict is Verdict.INCONCLUSIVE


async def test_a_finding_survives_a_preparation_that_fails_after_it(database: PostgresServer) -> None:
    async with hall(database, lock_then_look) as there:

        async def fails_later() -> Races:
            yield await booked(there)
            with there.judge(CLAUSE):
                raise GapFound("sold twice")
            raise RuntimeError("the next slot cannot be opened")

        bursts = Bursts(there.system, there.judge)
        await bursts.play(fails_later, rounds=3)
        await bursts.close()
        (result,) = there.judge.conclude(None)
    assert result.verdict is Verdict.OPEN


async def test_a_poll_may_retry_its_oracle() -> None:
    looks: list[int] = []

    async def look() -> int:
        looks.append(1)
        return len(looks)

    def three(seen: int) -> None:
        if seen < 3:
            raise GapFound("not yet")

    async def race(judge: Any) -> Races:
        while True:
            yield [Action("book", "ana", HttpRequest("POST", "/"), lambda _: Answer(Outcome.OK))]
            with judge(CLAUSE):
                await eventually(look, three)

    source = RaceSource(race, (Judge((CLAUSE,), "poll"),), lambda: 0.0)
    judgement = await source.judge(RaceResult(await source.take(), [], History(())))
    assert not judgement.found
    assert source.judged == {CLAUSE}


async def test_what_is_no_async_generator_is_refused() -> None:
    async def race() -> list[Action]:
        return []

    with pytest.raises(UsageError, match="wanted an async generator function"):
        await RaceSource(race, (), lambda: 0.0).take()  # type: ignore[arg-type]
