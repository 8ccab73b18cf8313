"""Explorations of a small service with a real database behind the gate."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from overbooked.errors import GapFound
from overbooked.interleavings.exploration import Inconclusive
from overbooked.interleavings.explorer import Explorer
from overbooked.interleavings.footprinter import Footprinter
from overbooked.interleavings.reporting import FixedSchedule
from overbooked.interleavings.scheduler.actors import Actor
from overbooked.interleavings.scheduler.controller import Timeouts
from overbooked.interleavings.scheduler.race import RaceFunction, RaceResult, Races
from overbooked.interleavings.scheduler.runner import ScheduleRunner
from overbooked.interleavings.scheduler.strategy import ByFunction, SchedulingPoint
from overbooked.oracles.answers import others_refused
from overbooked.oracles.capacity import sold_at_most
from overbooked.profiles import load_profile
from overbooked.system.system import System
from overbooked.targets.adapter import Action, Answer, Outcome
from overbooked.verdicts.judge import Judge
from overbooked.verdicts.verdict import Verdict
from overbooked.wire.gate.boundary import WireProtocol
from overbooked.wire.relay import Relays
from tests.targets.town import Call, Reply, Town, at
from tests.wire.postgres.server import PostgresServer, postgres_server

CLAUSE = "SYS-03.a"
LIMITS = Timeouts(progress_s=0.3, blocker_s=0.1, stuck_s=0.2, schedule_s=5.0)
Book = Callable[["asyncpg.Connection[Any]", str], Awaitable[Reply]]


@pytest.fixture(scope="session")
async def database() -> AsyncIterator[PostgresServer]:
    async with postgres_server() as server:
        connection = await asyncpg.connect(server.dsn(), ssl=False)
        await connection.execute("CREATE TABLE seats (slot text PRIMARY KEY, taken int NOT NULL)")
        await connection.execute("CREATE TABLE bookings (slot text NOT NULL, at timestamptz DEFAULT now())")
        await connection.close()
        yield server


async def look_then_leap(connection: asyncpg.Connection[Any], slot: str) -> Reply:
    async with connection.transaction():
        if await connection.fetchval("SELECT taken FROM seats WHERE slot = $1", slot):
            return 409, {"type": "full"}
        await connection.execute("INSERT INTO bookings (slot) VALUES ($1)", slot)
        await connection.execute("UPDATE seats SET taken = taken + 1 WHERE slot = $1", slot)
    return 201, {"id": "b"}


async def lock_then_look(connection: asyncpg.Connection[Any], slot: str) -> Reply:
    async with connection.transaction():
        if await connection.fetchval("SELECT taken FROM seats WHERE slot = $1 FOR UPDATE", slot):
            return 409, {"type": "full"}
        await connection.execute("INSERT INTO bookings (slot) VALUES ($1)", slot)
        await connection.execute("UPDATE seats SET taken = taken + 1 WHERE slot = $1", slot)
    return 201, {"id": "b"}


class Hall:
    """A town that stores its bookings in the database, and its explorer."""

    def __init__(
        self, town: Town, system: System, explore: Explorer, judge: Judge, side: asyncpg.Connection[Any]
    ) -> None:
        self.town, self.system, self.explore, self.judge, self.side = town, system, explore, judge, side

    def race(self, actors: int = 2) -> RaceFunction:
        async def one_wins() -> Races:
            while True:
                slot = replace(await self.system.open_slot(capacity=1), id=str(uuid4()))
                await self.side.execute("INSERT INTO seats VALUES ($1, 0)", slot.id)
                people = await self.system.customers(actors)
                ran = yield [who.books(slot) for who in people]
                with self.judge(*self.judge.clauses):
                    self.one_wins(ran)

        return one_wins

    def one_wins(self, ran: RaceResult) -> None:
        sold_at_most(1, ran.answers)
        others_refused(ran.answers, 409)

    def verdict(self) -> Verdict:
        (result,) = self.judge.conclude(None)
        return result.verdict


@asynccontextmanager
async def hall(
    database: PostgresServer,
    book: Book,
    *,
    pool: int = 4,
    clauses: tuple[str, ...] = (CLAUSE,),
    script: FixedSchedule | None = None,
) -> AsyncIterator[Hall]:
    relays = Relays()
    judge = Judge(clauses, "race")
    budget = load_profile("quick").budget
    async with Town() as town, at(town) as system:
        link = relays.open("app->postgres", upstream=database.address, protocol=WireProtocol.POSTGRES)
        connections = await asyncpg.create_pool(
            database.dsn(link.address), min_size=pool, max_size=pool, ssl=False
        )
        side = await asyncpg.connect(database.dsn(), ssl=False)

        async def reply(call: Call) -> Reply:
            if not call.path.startswith("/book/"):
                return 200, {}
            async with connections.acquire() as connection:
                try:
                    return await book(connection, call.path.removeprefix("/book/"))
                except asyncpg.PostgresError as error:
                    return 503, {"type": type(error).__name__}

        town.reply = reply
        footprinting = Footprinter(database.dsn())
        stage = ScheduleRunner(
            system,
            {link.name: link},
            database.dsn(),
            limits=LIMITS,
            splits=footprinting.splits,
            begins_apart=True,
        )
        explore = Explorer(system, judge, budget, stage, footprinting, script=script)
        try:
            yield Hall(town, system, explore, judge, side)
        finally:
            await explore.close()
            connections.terminate()
            await side.close()
            relays.close()


async def test_a_check_without_a_lock_is_found_and_named(database: PostgresServer) -> None:
    async with hall(database, look_then_leap) as there:
        explored = await there.explore.explore(there.race())
        (result,) = there.judge.conclude(None)
    assert result.verdict is Verdict.OPEN
    assert explored.violation is not None
    finding = result.finding
    assert finding is not None
    assert finding.what == "more bookings than capacity"
    assert finding.details["preemptions"] == 1
    assert "1 preemption" in finding.observed
    assert finding.details["minimised"] == {"preemptions": [1, 1], "schedules": 0, "fewest": True}
    assert finding.details["check"] == "one_wins"
    assert result.counts["schedules"] == explored.schedules


async def test_a_lock_holds_in_every_order(database: PostgresServer) -> None:
    async with hall(database, lock_then_look) as there:
        explored = await there.explore.explore(there.race())
        (result,) = there.judge.conclude(None)
    assert result.verdict is Verdict.CLOSED
    assert explored.exhausted
    (note,) = result.notes["interleavings"]
    assert note["exhausted"] is True
    assert note["blocked"] > 0
    assert note["outcomes"] == ["201 409", "409 201"]


async def test_a_schedule_runs_the_same_twenty_times_over(database: PostgresServer) -> None:
    async with hall(database, look_then_leap) as there:
        explored = await there.explore.explore(there.race())
        assert explored.violation is not None
        schedule = explored.violation.ran.trace.schedule
        wanted = explored.violation.ran.trace.shape
        race = there.race()
        for _ in range(20):
            ran = await there.explore.run_schedule(race, schedule=schedule)
            assert ran.trace.shape == wanted
            with pytest.raises(GapFound):
                there.one_wins(ran)


async def test_a_script_is_performed_instead_of_an_exploration(database: PostgresServer) -> None:
    async with hall(database, look_then_leap) as there:
        explored = await there.explore.explore(there.race(), name="two customers")
        assert explored.violation is not None
        trace = explored.violation.ran.trace
    script = FixedSchedule(trace.schedule, "two customers", trace.shape)
    async with hall(database, look_then_leap, script=script) as there:
        other = await there.explore.explore(there.race(), name="others")
        again = await there.explore.explore(there.race(), name="two customers")
        (result,) = there.judge.conclude(None)
    assert (other.schedules, again.schedules) == (0, 1)
    assert result.verdict is Verdict.OPEN
    assert result.counts["schedules"] == 1
    assert result.finding is not None
    assert result.finding.details["schedule"] == list(trace.schedule)


async def test_a_script_for_another_service_says_where_they_part(database: PostgresServer) -> None:
    async with hall(database, look_then_leap) as there:
        shape = (await there.explore.run_schedule(there.race(), schedule=())).trace.shape
    async with hall(database, lock_then_look, script=FixedSchedule((), "", shape)) as there:
        with pytest.raises(Inconclusive, match="differently than in earlier schedules; step 2: wanted"):
            await there.explore.explore(there.race())


async def test_what_actors_did_is_in_the_history(database: PostgresServer) -> None:
    async with hall(database, lock_then_look) as there:
        ran = await there.explore.run_schedule(there.race(), schedule=())
    assert [op.verb for op in ran.history] == ["book", "book"]
    assert sorted(op.outcome for op in ran.history) == [Outcome.OK, Outcome.REFUSED]


async def test_a_schedule_that_does_not_apply_is_told(database: PostgresServer) -> None:
    async with hall(database, lock_then_look) as there:
        with pytest.raises(Inconclusive, match="of the schedule is actor 0's"):
            await there.explore.run_schedule(there.race(), schedule=[0] * 9)


async def test_who_waits_for_a_connection_is_parked_and_nothing_hangs(database: PostgresServer) -> None:
    async with hall(database, lock_then_look, pool=1) as there:
        ran = await there.explore.run_schedule(there.race(), schedule=())
    assert [answer.status for answer in ran.answers] == [201, 409]
    assert not ran.trace.disturbed


async def test_a_stranger_who_holds_the_lock_is_named_and_nothing_is_concluded(
    database: PostgresServer,
) -> None:
    async with hall(database, lock_then_look) as there, there.side.transaction():
        await there.side.execute("LOCK TABLE seats IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(Inconclusive, match=r"no actor: .*LOCK TABLE|no wire progress"):
            await there.explore.run_schedule(there.race(), schedule=())


async def test_a_deadlock_kills_whoever_closes_the_circle(database: PostgresServer) -> None:
    async def crosswise(connection: asyncpg.Connection[Any], slot: str) -> Reply:
        first, second = ("a", "b") if slot == "one" else ("b", "a")
        async with connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock(hashtext($1))", first)
            await connection.execute("SELECT pg_advisory_xact_lock(hashtext($1))", second)
        return 201, {"id": "b"}

    async with hall(database, crosswise) as there:
        slot = await there.system.open_slot(capacity=1)
        one, other = replace(slot, id="one"), replace(slot, id="two")
        ana, ben = await there.system.customers(2)

        async def race() -> Races:
            while True:
                yield [ana.books(one), ben.books(other)]
                with there.judge(CLAUSE):
                    pass

        for _ in range(5):
            ran = await there.explore.run_schedule(race, schedule=(0, 0, 0, 1, 1, 1, 0, 1))
            assert [answer.status for answer in ran.answers] == [201, 503]
        assert there.explore.stage.finds_deadlocks_at_once
    connection = await asyncpg.connect(database.dsn(), ssl=False)
    assert await connection.fetchval("SHOW deadlock_timeout") == "1s"
    await connection.close()


async def test_a_statement_that_ran_out_of_time_while_it_waited_is_never_judged(
    database: PostgresServer,
) -> None:
    async def impatient(connection: asyncpg.Connection[Any], slot: str) -> Reply:
        await connection.execute("SET statement_timeout = '1ms'")
        await connection.execute("SELECT pg_sleep(0.05)")
        return 201, {"id": "b"}

    async with hall(database, impatient) as there:
        with pytest.raises(Inconclusive, match="expired while its statement was held"):
            await there.explore.explore(there.race())
        assert there.judge.conclude(Inconclusive("x"))[0].verdict is Verdict.INCONCLUSIVE


async def test_actors_may_be_any_work_on_the_replica_they_are_pinned_to(database: PostgresServer) -> None:
    seen: list[int] = []

    async with hall(database, lock_then_look) as there:

        async def works(replica: int) -> Answer:
            seen.append(replica)
            return await there.system.do(action, replica=replica)

        async def journey() -> Races:
            while True:
                yield [Actor("ana", "journey", works, replica=3)]
                with there.judge(CLAUSE):
                    pass

        (action,) = await anext(there.race(1)())
        assert isinstance(action, Action)
        ran = await there.explore.run_schedule(journey)
    assert ran.trace.actors[0].verb == "journey"
    assert ran.trace.steps[0].actor == 0
    assert set(seen) == {0}, "there is one replica, and a pin goes round"


async def test_a_person_may_choose_step_by_step(database: PostgresServer) -> None:
    asked: list[SchedulingPoint] = []

    async def choose(choice: SchedulingPoint) -> int:
        asked.append(choice)
        return choice.enabled[-1]

    async with hall(database, lock_then_look) as there:
        ran = await there.explore.run_schedule(there.race(), choose=ByFunction(choose))
    assert [answer.status for answer in ran.answers] == [409, 201]
    assert asked[0].held[1].verb == "BEGINS"


async def test_an_exploration_rules_on_every_clause_that_its_race_judges(database: PostgresServer) -> None:
    async with hall(database, lock_then_look, clauses=("SYS-03.a", "SYS-03.b")) as there:
        await there.explore.explore(there.race())
        results = there.judge.conclude(None)
    assert [result.verdict for result in results] == [Verdict.CLOSED, Verdict.CLOSED]


async def test_without_a_boundary_there_was_nothing_to_order(database: PostgresServer) -> None:
    async def nothing(_: Call) -> Reply:
        return 409, {"type": "full"}

    async with hall(database, lock_then_look) as there:
        there.town.reply = nothing
        with pytest.raises(Inconclusive, match="no actor crossed a boundary"):
            await there.explore.explore(there.race())
        assert there.verdict() is Verdict.INCONCLUSIVE


async def test_actors_who_share_nothing_are_no_exploration(database: PostgresServer) -> None:
    async def keeps_to_itself(connection: asyncpg.Connection[Any], slot: str) -> Reply:
        await connection.execute(f"DELETE FROM {slot} WHERE false")
        return 201, {"id": "b"}

    async with hall(database, keeps_to_itself) as there:
        slot = await there.system.open_slot(capacity=1)
        ana, ben = await there.system.customers(2)

        async def race() -> Races:
            while True:
                yield [ana.books(replace(slot, id="seats")), ben.books(replace(slot, id="bookings"))]
                with there.judge(CLAUSE):
                    pass

        with pytest.raises(Inconclusive, match="no exploration; do these"):
            await there.explore.explore(race)
