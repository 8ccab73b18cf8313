"""Statements of PostgreSQL held at the gate: waiting, releasing, and ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from overbooked.wire.gate.boundary import Held
from overbooked.wire.link import RelayLink
from tests.wire.postgres.server import PostgresServer
from tests.wire.watching_keeper import DEADLINE_S, engage, keep

Connection = asyncpg.Connection


Connection = asyncpg.Connection


@pytest.fixture
async def service(dsn: str) -> AsyncIterator[Connection]:
    connection = await asyncpg.connect(dsn, ssl=False)
    yield connection
    connection.terminate()


# -- holding ------------------------------------------------------------------------------------


async def test_a_held_statement_has_not_reached_the_server(
    gated: RelayLink, service: Connection, postgres: PostgresServer
) -> None:
    direct = await asyncpg.connect(postgres.dsn(), ssl=False)
    keeper = engage(gated, on_ask=keep, on_answer=keep)
    asking = asyncio.ensure_future(service.execute("SELECT 'here'"))
    held = await keeper.held("'here'")
    seen = "SELECT query FROM pg_stat_activity WHERE pid = $1"
    assert "'here'" not in await direct.fetchval(seen, service.get_server_pid())
    gated.call(held.go)
    await keeper.until(lambda: bool(keeper.replies))
    assert "'here'" in await direct.fetchval(seen, service.get_server_pid())
    assert not asking.done()  # its answer is held, too
    gated.call(held.deliver)
    assert await asking == "SELECT 1"
    await direct.close()


async def test_out_of_turn_is_told_to_the_keeper_and_changes_nothing(
    gated: RelayLink, service: Connection
) -> None:
    keeper = engage(gated, on_ask=keep)
    asking = asyncio.ensure_future(service.fetchval("SELECT 7"))
    held = await keeper.held("SELECT 7")
    with pytest.raises(RuntimeError, match="deliver of boundary 1 on app->postgres is not possible now"):
        gated.call(held.deliver)
    gated.call(held.go)
    assert await asking == 7
    with pytest.raises(RuntimeError, match="it is done, not asked"):
        gated.call(held.go)


async def test_a_released_gate_passes_on_what_it_held(gated: RelayLink, dsn: str) -> None:
    connections = [await asyncpg.connect(dsn, ssl=False) for _ in range(3)]
    keeper = engage(gated, on_ask=keep)
    asking = [asyncio.ensure_future(one.fetchval("SELECT 1")) for one in connections]
    await keeper.until(lambda: len(keeper.asked) == 3)
    held = keeper.asked[0]
    gated.gate(None)
    async with asyncio.timeout(DEADLINE_S):
        assert await asyncio.gather(*asking) == [1, 1, 1]
    gated.call(held.go)  # the client has gone; this has no effect
    for one in connections:
        await one.close()


async def test_a_held_answer_is_delivered_by_a_released_gate(gated: RelayLink, service: Connection) -> None:
    keeper = engage(gated, on_answer=keep)
    asking = asyncio.ensure_future(service.fetchval("SELECT 5"))
    await keeper.until(lambda: bool(keeper.replies))
    gated.gate(None)
    assert await asyncio.wait_for(asking, DEADLINE_S) == 5
    assert await service.fetchval("SELECT 6") == 6


async def test_another_keeper_is_asked_from_the_next_boundary_on(
    gated: RelayLink, service: Connection
) -> None:
    first = engage(gated, on_ask=keep)
    asking = asyncio.ensure_future(service.fetchval("SELECT 1"))
    await first.until(lambda: bool(first.asked))
    second = engage(gated)
    assert await asyncio.wait_for(asking, DEADLINE_S) == 1
    assert second.boundaries == []
    await service.fetchval("SELECT 2")
    assert [one.text for one in second.boundaries] == ["SELECT 2"]


async def test_a_keeper_that_comes_and_goes_never_disturbs_the_traffic(gated: RelayLink, dsn: str) -> None:
    """Engaged at any moment, in the middle of groups and answers alike."""
    pool = await asyncpg.create_pool(dsn, ssl=False, min_size=4, max_size=4)
    over = False

    async def work(n: int) -> int:
        done = 0
        while not over:
            async with pool.acquire() as connection, connection.transaction():
                assert await connection.fetchval("SELECT $1::int", n) == n
                rows = await connection.fetch("SELECT repeat('x', 50000) FROM generate_series(1, 20)")
                assert len(rows) == 20
                await connection.executemany("SELECT $1::text", [("y" * 20000,)] * 20)
            done += 1
        return done

    async with asyncio.timeout(30):
        working = [asyncio.ensure_future(work(n)) for n in range(4)]
        seen = 0
        for _ in range(60):
            keeper = engage(gated)
            await asyncio.sleep(0.005)
            gated.gate(None)
            seen += len(keeper.asked)
            await asyncio.sleep(0.002)
        over = True
        assert min(await asyncio.gather(*working)) > 0
    assert seen
    assert gated.troubles() == ()
    await pool.close()


async def test_a_keeper_that_raises_breaks_the_connection_and_is_named(
    gated: RelayLink, service: Connection
) -> None:
    def trip(_: Held) -> None:
        raise LookupError("my mistake")

    keeper = engage(gated, on_ask=trip)
    with pytest.raises((asyncpg.ConnectionDoesNotExistError, ConnectionResetError)):
        await service.fetchval("SELECT 1")
    await keeper.until(lambda: bool(keeper.troubles))
    assert "LookupError: my mistake" in keeper.troubles[0]
    assert gated.troubles() == tuple(keeper.troubles)


async def test_a_server_that_ends_the_session_is_heard_while_held(
    gated: RelayLink, service: Connection, postgres: PostgresServer
) -> None:
    keeper = engage(gated, on_ask=keep)
    asking = asyncio.ensure_future(service.fetchval("SELECT 1"))
    await keeper.held("SELECT 1")
    direct = await asyncpg.connect(postgres.dsn(), ssl=False)
    await direct.execute("SELECT pg_terminate_backend($1)", service.get_server_pid())
    await direct.close()
    with pytest.raises((asyncpg.AdminShutdownError, asyncpg.ConnectionDoesNotExistError)):
        await asking
    await keeper.until(lambda: bool(keeper.closings))


async def test_the_statement_under_way_when_the_server_ends_says_why(
    gated: RelayLink, service: Connection, postgres: PostgresServer
) -> None:
    keeper = engage(gated)
    asking = asyncio.ensure_future(service.fetchval("SELECT 1 FROM pg_sleep(60)"))
    await keeper.held("pg_sleep")
    direct = await asyncpg.connect(postgres.dsn(), ssl=False)
    async with asyncio.timeout(10):  # a backend that has not read it yet would reset instead
        while not await direct.fetchval(
            "SELECT wait_event = 'PgSleep' FROM pg_stat_activity WHERE pid = $1", service.get_server_pid()
        ):
            pass
    await direct.execute("SELECT pg_terminate_backend($1)", service.get_server_pid())
    await direct.close()
    with pytest.raises(asyncpg.ConnectionDoesNotExistError, match="administrator command"):
        await asking


# -- locks and limits ---------------------------------------------------------------------------


async def test_a_blocked_statements_answer_is_held_when_its_blocker_commits(
    gated: RelayLink, dsn: str, postgres: PostgresServer
) -> None:
    """A's commit unblocks B: B must not continue before its turn."""
    direct = await asyncpg.connect(postgres.dsn(), ssl=False)
    await direct.execute("DROP TABLE IF EXISTS locked; CREATE TABLE locked AS SELECT 1 AS n")
    ana, ben = [await asyncpg.connect(dsn, ssl=False) for _ in range(2)]
    taking = ana.transaction()
    await taking.start()
    await ana.execute("UPDATE locked SET n = 2")
    keeper = engage(gated, on_answer=keep)
    blocked = asyncio.ensure_future(ben.execute("UPDATE locked SET n = 3"))
    held = await keeper.held("n = 3")
    async with asyncio.timeout(DEADLINE_S):
        while await direct.fetchval("SELECT pg_blocking_pids($1)", held.boundary.backend_pid) != [  # noqa: ASYNC110
            ana.get_server_pid()
        ]:
            await asyncio.sleep(0.01)
    assert held.reply is None
    committing = asyncio.ensure_future(taking.commit())
    commit = await keeper.held("COMMIT")
    await keeper.until(lambda: held.reply is not None and commit.reply is not None)
    assert not blocked.done()
    gated.call(commit.deliver)
    await committing
    assert not blocked.done()
    gated.call(held.deliver)
    assert await asyncio.wait_for(blocked, DEADLINE_S) == "UPDATE 1"
    for connection in (ana, ben, direct):
        await connection.close()


async def test_a_hold_that_outlasts_the_servers_patience_is_known_by_its_code(
    gated: RelayLink, service: Connection
) -> None:
    await service.execute("SET idle_in_transaction_session_timeout = 50")
    await service.execute("BEGIN")
    keeper = engage(gated, on_ask=keep)
    asking = asyncio.ensure_future(service.execute("SELECT 1"))
    held = await keeper.held("SELECT 1")
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError)):
        await asyncio.wait_for(asking, DEADLINE_S)
    await keeper.until(lambda: bool(keeper.closings))
    assert keeper.closings == [held]
    assert held.reply is not None
    assert held.reply.error == "25P03"


@pytest.mark.parametrize(("setting", "code"), [("statement_timeout", "57014"), ("lock_timeout", "55P03")])
async def test_a_limit_of_the_servers_is_told_in_the_reply(
    gated: RelayLink, dsn: str, service: Connection, setting: str, code: str
) -> None:
    blocker = await asyncpg.connect(dsn, ssl=False)
    await blocker.execute("BEGIN; SELECT pg_advisory_xact_lock(7)")
    await service.execute(f"SET {setting} = 20")
    keeper = engage(gated)
    with pytest.raises(asyncpg.PostgresError):
        await service.execute("SELECT pg_advisory_xact_lock(7)")
    assert keeper.replies[-1].error == code
    await blocker.close()
