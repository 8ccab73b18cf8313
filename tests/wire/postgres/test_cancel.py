"""A cancellation reaches the intended statement, held or running, and never the next one."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator

import asyncpg
import psycopg
import pytest

from overbooked.wire.gate.boundary import FaultKind
from overbooked.wire.link import RelayLink
from tests.wire.postgres.server import PostgresServer
from tests.wire.watching_keeper import DEADLINE_S, engage, failing, keep


@pytest.fixture
async def service(dsn: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(dsn, ssl=False)
    yield connection
    connection.terminate()


async def psycopg_cancels(
    connection: psycopg.Connection, statement: str, ready: asyncio.Future[object]
) -> str | None:
    """Run a statement in a thread, cancel it once `ready` is done; its SQLSTATE."""

    def run() -> str | None:
        try:
            connection.execute(statement)
        except psycopg.Error as error:
            return error.sqlstate
        return None

    running = asyncio.ensure_future(asyncio.to_thread(run))
    await ready
    await asyncio.to_thread(connection.cancel_safe, timeout=DEADLINE_S)
    return await asyncio.wait_for(running, DEADLINE_S)


async def test_a_running_statement_is_cancelled_by_asyncpg(
    gated: RelayLink, service: asyncpg.Connection
) -> None:
    with pytest.raises(asyncio.TimeoutError):
        await service.fetch("SELECT pg_sleep(60)", timeout=0.1)
    assert await service.fetchval("SELECT 1") == 1


async def asleep(postgres: PostgresServer, backend_pid: int) -> None:
    """Wait until the server runs the statement: an earlier cancellation would have no effect."""
    direct = await asyncpg.connect(postgres.dsn(), ssl=False)
    seen = "SELECT wait_event = 'PgSleep' FROM pg_stat_activity WHERE pid = $1"
    async with asyncio.timeout(DEADLINE_S):
        while not await direct.fetchval(seen, backend_pid):  # noqa: ASYNC110 - the server knows it
            await asyncio.sleep(0.01)
    await direct.close()


@pytest.mark.parametrize("held", [False, True], ids=["observed", "held"])
async def test_a_running_statement_is_cancelled_by_psycopg(
    gated: RelayLink, dsn: str, postgres: PostgresServer, held: bool
) -> None:
    if held:
        engage(gated)
    with await asyncio.to_thread(psycopg.connect, dsn, autocommit=True) as connection:
        ready = asyncio.ensure_future(asleep(postgres, connection.info.backend_pid))
        assert await psycopg_cancels(connection, "SELECT pg_sleep(60)", ready) == "57014"
        assert connection.execute("SELECT 1").fetchone() == (1,)


async def test_a_held_statement_is_cancelled_at_the_gate_by_psycopg(gated: RelayLink, dsn: str) -> None:
    with await asyncio.to_thread(psycopg.connect, dsn, autocommit=True) as connection:
        keeper = engage(gated, on_ask=keep)
        asked = asyncio.ensure_future(keeper.held("SELECT 'held'"))
        assert await psycopg_cancels(connection, "SELECT 'held'", asked) == "57014"
        held = asked.result()
        assert held.cancelled
        assert held.reply is not None
        assert held.reply.error == "57014"
        gated.gate(None)
        assert connection.execute("SELECT 1").fetchone() == (1,)  # the next one is not cancelled


async def test_a_held_statement_is_cancelled_at_the_gate_by_asyncpg(
    gated: RelayLink, service: asyncpg.Connection
) -> None:
    keeper = engage(gated, on_ask=keep)
    with pytest.raises(asyncio.TimeoutError):
        await service.execute("SELECT 'held'", timeout=0.1)
    held = await keeper.held("SELECT 'held'")
    await keeper.until(lambda: bool(keeper.replies))
    assert held.cancelled
    gated.call(held.go)  # too late, but not an error of the keeper
    gated.gate(None)
    assert await service.fetchval("SELECT 1") == 1


async def test_a_cancelled_statement_in_a_transaction_has_failed_it(
    gated: RelayLink, service: asyncpg.Connection
) -> None:
    transaction = service.transaction()
    await transaction.start()
    keeper = engage(gated, on_ask=keep)
    with pytest.raises(asyncio.TimeoutError):
        await service.execute("SELECT 'held'", timeout=0.1)
    await keeper.until(lambda: bool(keeper.replies))
    gated.gate(None)
    with pytest.raises(asyncpg.InFailedSQLTransactionError):
        await service.execute("SELECT 1")
    await transaction.rollback()


async def test_a_stalled_statement_can_be_cancelled(gated: RelayLink, service: asyncpg.Connection) -> None:
    keeper = engage(gated, on_ask=failing("stalled", FaultKind.STALL))
    with pytest.raises(asyncio.TimeoutError):
        await service.execute("SELECT 'stalled'", timeout=0.1)
    await keeper.until(lambda: bool(keeper.replies))
    assert keeper.replies[0].error == "57014"
    assert await service.fetchval("SELECT 1") == 1


async def test_a_cancellation_after_the_answer_is_no_ones(gated: RelayLink, dsn: str) -> None:
    with await asyncio.to_thread(psycopg.connect, dsn, autocommit=True) as connection:
        keeper = engage(gated, on_answer=keep)
        answered = asyncio.ensure_future(keeper.until(lambda: bool(keeper.replies)))
        done = threading.Event()

        def run() -> object:
            row = connection.execute("SELECT 'answered'").fetchone()
            done.set()
            return row

        running = asyncio.ensure_future(asyncio.to_thread(run))
        await answered
        await asyncio.to_thread(connection.cancel_safe, timeout=DEADLINE_S)
        assert not done.is_set()
        gated.gate(None)
        assert await asyncio.wait_for(running, DEADLINE_S) == ("answered",)
        assert connection.execute("SELECT 1").fetchone() == (1,)


async def test_a_rollback_is_not_cancelled(gated: RelayLink, service: asyncpg.Connection) -> None:
    await service.execute("BEGIN")
    keeper = engage(gated, on_ask=keep)
    with pytest.raises(asyncio.TimeoutError):
        await service.execute("ROLLBACK", timeout=0.1)
    held = await keeper.held("ROLLBACK")
    assert not held.cancelled
    gated.gate(None)
    assert await service.fetchval("SELECT 1") == 1
