"""The unit of work with faults of the network and of a busy server."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from uuid import uuid4

import psycopg
import pytest

from reference_system.booking.platform.db import Database, UnitOfWork
from reference_system.booking.platform.db_errors import ConstraintViolated, OutcomeUnknown, Unavailable
from tests.reference_system import house as houses
from tests.reference_system import wire as wires
from tests.reference_system.house import House
from tests.reference_system.servers import Servers
from tests.reference_system.wire import Wire

WRITE = """
INSERT INTO dead_letters (id, source, subject, reason, created_at) VALUES (:id, 'outbox', :subject, '', :now)
"""
READ = "SELECT count(*) AS n FROM dead_letters WHERE subject = :subject"


@pytest.fixture
async def wired(servers: Servers) -> AsyncIterator[tuple[Wire, Database]]:
    """A database behind a wire, with short time-outs."""
    async with wires.strung(servers.dsns["app"]) as (wire, url):
        database = Database(
            houses.settings(
                url,
                servers.redis_url,
                db_timeout_s=0.5,
                db_statement_timeout_s=0.3,
                db_patience_s=0.9,
                pool_size=2,
                pool_overflow=0,
                pool_wait_s=0.3,
            )
        )
        yield wire, database
        await database.close()


@pytest.fixture
def subject() -> str:
    return uuid4().hex


async def write(uow: UnitOfWork, subject: str) -> None:
    await uow.execute(WRITE, id=uuid4(), subject=subject, now=datetime.now(UTC))


async def written(database: Database, subject: str) -> int:
    row = await database.first(READ, subject=subject)
    assert row is not None
    return int(row.n)


class TestATransaction:
    async def test_is_committed_when_its_work_is_done(self, house: House, subject: str) -> None:
        await house.runtime.database.run(lambda uow: write(uow, subject))
        assert await written(house.runtime.database, subject) == 1

    async def test_leaves_no_trace_when_its_work_raises(self, house: House, subject: str) -> None:
        async def work(uow: UnitOfWork) -> None:
            await write(uow, subject)
            raise LookupError

        with pytest.raises(LookupError):
            await house.runtime.database.run(work)
        assert await written(house.runtime.database, subject) == 0

    async def test_with_a_failed_statement_is_never_taken_for_done(self, house: House, subject: str) -> None:
        async def work(uow: UnitOfWork) -> None:
            await write(uow, subject)
            with pytest.raises(ConstraintViolated):
                await write(uow, subject)

        with pytest.raises(RuntimeError, match="cannot be committed"):
            await house.runtime.database.run(work)
        assert await written(house.runtime.database, subject) == 0

    async def test_can_go_on_after_a_savepoint(self, house: House, subject: str) -> None:
        async def work(uow: UnitOfWork) -> str:
            await write(uow, subject)
            try:
                async with uow.savepoint():
                    await write(uow, subject)
            except ConstraintViolated as error:
                return error.constraint
            return ""

        assert await house.runtime.database.run(work) == "dead_letters_once"
        assert await written(house.runtime.database, subject) == 1

    async def test_that_deadlocks_is_tried_again(self, house: House) -> None:
        slots = [await house.slot(), await house.slot()]
        locked = asyncio.Barrier(2)
        attempts = 0

        async def crosswise(order: list[str]) -> None:
            async def work(uow: UnitOfWork) -> None:
                nonlocal attempts
                attempts += 1
                await uow.execute("SELECT 1 FROM slots WHERE id = CAST(:id AS uuid) FOR UPDATE", id=order[0])
                if attempts <= 2:
                    await locked.wait()
                await uow.execute("SELECT 1 FROM slots WHERE id = CAST(:id AS uuid) FOR UPDATE", id=order[1])

            await house.runtime.database.run(work)

        await asyncio.gather(crosswise(slots), crosswise(slots[::-1]))
        # One is rolled back and tried again. On a busy machine a statement may also wait too long for its
        # lock, which is tried again too.
        assert attempts >= 3

    async def test_that_deadlocks_for_ever_gives_up(self, house: House) -> None:
        attempts = 0

        async def work(uow: UnitOfWork) -> None:
            nonlocal attempts
            attempts += 1
            await uow.execute("DO $$ BEGIN RAISE EXCEPTION 'again' USING ERRCODE = '40P01'; END $$")

        with pytest.raises(Unavailable, match="6 conflicts in a row"):
            await house.runtime.database.run(work)
        assert attempts == 6


class TestOverAWire:
    async def test_a_connection_that_was_cut_while_idle_is_replaced(
        self, wired: tuple[Wire, Database], subject: str
    ) -> None:
        wire, database = wired
        assert await written(database, subject) == 0
        wire.cut()
        await database.run(lambda uow: write(uow, subject))
        wire.cut()
        assert await written(database, subject) == 1
        assert wire.connections == 3

    async def test_a_transaction_cut_before_its_commit_is_done_once(
        self, wired: tuple[Wire, Database], subject: str
    ) -> None:
        wire, database = wired
        attempts = 0

        async def work(uow: UnitOfWork) -> None:
            nonlocal attempts
            attempts += 1
            await write(uow, subject)
            if attempts == 1:
                wire.cut()
                await uow.first("SELECT 1")

        await database.run(work)
        assert (attempts, await written(database, subject)) == (2, 1)

    async def test_a_transaction_cut_again_gives_up(self, wired: tuple[Wire, Database], subject: str) -> None:
        wire, database = wired
        attempts = 0

        async def work(uow: UnitOfWork) -> None:
            nonlocal attempts
            attempts += 1
            await write(uow, subject)
            wire.cut()
            await uow.first("SELECT 1")

        with pytest.raises(Unavailable):
            await database.run(work)
        assert (attempts, await written(database, subject)) == (2, 0)

    async def test_a_lost_answer_to_the_commit_is_an_unknown_outcome_and_not_repeated(
        self, wired: tuple[Wire, Database], subject: str
    ) -> None:
        wire, database = wired
        attempts = 0

        async def work(uow: UnitOfWork) -> None:
            nonlocal attempts
            attempts += 1
            await write(uow, subject)
            wire.lose_answer_to = b"COMMIT"

        with pytest.raises(OutcomeUnknown):
            await database.run(work)
        assert (attempts, await written(database, subject)) == (1, 1)

    async def test_silence_costs_one_time_out(self, wired: tuple[Wire, Database], subject: str) -> None:
        wire, database = wired
        assert await written(database, subject) == 0
        wire.silent = True
        started = time.monotonic()
        with pytest.raises(Unavailable, match="did not answer in time"):
            await database.run(lambda uow: write(uow, subject))
        assert time.monotonic() - started < 2
        wire.silent = False
        wire.cut()
        assert await written(database, subject) == 0

    async def test_a_lock_is_waited_for_with_patience_and_no_longer(
        self, wired: tuple[Wire, Database], house: House, servers: Servers
    ) -> None:
        _, database = wired
        slot = await house.slot()

        async def lock(uow: UnitOfWork) -> None:
            await uow.one("SELECT id FROM slots WHERE id = CAST(:id AS uuid) FOR UPDATE", id=slot)

        async with await psycopg.AsyncConnection.connect(servers.dsns["owner"]) as side:
            await side.execute("SELECT 1 FROM slots WHERE id = %s FOR UPDATE", (slot,))
            waiting = asyncio.create_task(database.run(lock))
            # Longer than the limit of one statement, shorter than `db_patience_s`.
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(asyncio.shield(waiting), 0.45)
            await side.rollback()
            await waiting
            await side.execute("SELECT 1 FROM slots WHERE id = %s FOR UPDATE", (slot,))
            with pytest.raises(Unavailable, match="statements timed out"):
                await database.run(lock)

    async def test_a_pool_that_is_used_up_is_waited_for_and_no_longer(
        self, wired: tuple[Wire, Database]
    ) -> None:
        _, database = wired
        holding = asyncio.Barrier(3)
        enough = asyncio.Event()

        async def hold(uow: UnitOfWork) -> None:
            await uow.first("SELECT 1")
            await holding.wait()
            await enough.wait()

        holders = [asyncio.create_task(database.run(hold)) for _ in range(2)]
        await holding.wait()
        assert (database.connections_in_use(), database.connections_open()) == (2, 2)
        with pytest.raises(Unavailable, match="no connection became free"):
            await database.first("SELECT 1")
        enough.set()
        await asyncio.gather(*holders)

    async def test_a_new_connection_asks_nothing(self, servers: Servers) -> None:
        """There is no message between the handshake and the service's first statement."""
        async with wires.strung(servers.dsns["app"]) as (_, url):
            database = Database(houses.settings(url + "?sslmode=disable", servers.redis_url))
            row = await database.first("SELECT pg_backend_pid() AS pid")
            assert row is not None
            async with await psycopg.AsyncConnection.connect(servers.dsns["observer"]) as sql:
                found = await sql.execute(
                    "SELECT query, application_name FROM pg_stat_activity WHERE pid = %s", (row.pid,)
                )
                assert await found.fetchone() == ("SELECT pg_backend_pid() AS pid", "booking")
            await database.close()


async def test_a_connection_whose_begin_is_refused_is_not_used_again(servers: Servers) -> None:
    async with wires.strung(servers.dsns["app"]) as (wire, url):
        database = Database(houses.settings(url + "?sslmode=disable", servers.redis_url))
        await database.run(lambda uow: uow.execute("SELECT 1"))
        wire.garble = b"BEGIN"
        for _ in range(3):
            await database.run(lambda uow: uow.execute("SELECT 1"))
        assert wire.garble is None
        assert (wire.connections, database.connections_open()) == (2, 1)
        await database.close()


async def test_a_server_that_is_not_there_is_unavailable(servers: Servers) -> None:
    database = Database(houses.settings("postgresql://nobody@127.0.0.1:1/nothing", servers.redis_url))
    with pytest.raises(Unavailable):
        await database.first("SELECT 1")
    with pytest.raises(Unavailable):
        await database.run(lambda uow: uow.execute("SELECT 1"))
    await database.close()


async def test_a_mistake_of_ours_is_not_taken_for_an_outage(house: House) -> None:
    with pytest.raises(Exception, match="does not exist") as raised:
        await house.runtime.database.first("SELECT * FROM nothing_of_the_kind")
    assert not isinstance(raised.value, Unavailable)
