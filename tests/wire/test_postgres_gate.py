"""PostgreSQL through the gate: drivers notice nothing, and every statement that executes is a boundary."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import psycopg
import pytest

from harness.wire.boundary import Held
from harness.wire.link import RelayLink
from tests.wire.libpq import libpq
from tests.wire.postgres_server import PostgresServer
from tests.wire.watching import DEADLINE_S, engage, keep

Connection = asyncpg.Connection


@pytest.fixture
async def service(dsn: str) -> AsyncIterator[Connection]:
    connection = await asyncpg.connect(dsn, ssl=False)
    yield connection
    connection.terminate()


# -- what is a boundary -------------------------------------------------------------------------


async def test_asyncpgs_preparing_passes_and_its_executing_is_held(
    gated: RelayLink, service: Connection
) -> None:
    """Parse, Describe, Flush execute nothing; Bind, Execute, Sync do."""
    keeper = engage(gated)
    statement = await service.prepare("SELECT $1::text")
    assert keeper.boundaries == []
    assert await statement.fetchval("ana") == "ana"
    assert [one.text for one in keeper.boundaries] == ["SELECT $1::text"]
    assert keeper.boundaries[0].values == ("ana",)


async def test_a_pipeline_that_flushes_is_held_and_its_commit_by_sync_too(
    gated: RelayLink, dsn: str, postgres: PostgresServer
) -> None:
    keeper = engage(gated)

    said = await libpq(
        dsn,
        """
        connection.enter_pipeline_mode()
        connection.send_query_params(b"CREATE TABLE flushed (n int)", None)
        connection.send_flush_request()
        connection.flush()
        print(connection.get_result().status, connection.get_result())
        connection.pipeline_sync()
        print(connection.get_result().status)
        """,
    )
    assert [int(word) for word in said.replace("None", "").split()] == [
        psycopg.pq.ExecStatus.COMMAND_OK,
        psycopg.pq.ExecStatus.PIPELINE_SYNC,
    ]
    assert keeper.verbs == ["CREATE", "COMMIT"]
    assert keeper.boundaries[1].shape == "COMMIT (Sync)"
    assert [reply.in_transaction for reply in keeper.replies] == [True, False]
    direct = await asyncpg.connect(postgres.dsn(), ssl=False)
    await direct.execute("DROP TABLE flushed")
    await direct.close()


async def test_psycopgs_pipeline_is_held_statement_by_statement(gated: RelayLink, dsn: str) -> None:
    keeper = engage(gated)

    def run() -> list[int]:
        with psycopg.connect(dsn, autocommit=True) as connection, connection.pipeline() as pipeline:
            cursors = []
            for number in range(3):
                cursors.append(connection.execute("SELECT %s::int", (number,)))
                pipeline._enqueue_sync()
            return [cursor.fetchall()[0][0] for cursor in cursors]

    assert await asyncio.to_thread(run) == [0, 1, 2]
    assert [verb for verb in keeper.verbs if verb != "COMMIT"] == ["SELECT"] * 3


async def test_an_empty_query_executes_nothing(gated: RelayLink, dsn: str) -> None:
    keeper = engage(gated)

    def run() -> None:
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute(" ; -- nothing\n")
            connection.execute("", prepare=True)

    await asyncio.to_thread(run)
    assert keeper.boundaries == []


async def test_what_a_boundary_says_of_its_connection(gated: RelayLink, service: Connection) -> None:
    keeper = engage(gated)
    async with service.transaction():
        await service.execute("SELECT 1; SHOW work_mem")
    begin, two, commit = keeper.boundaries
    assert [begin.verb, two.verb, commit.verb] == ["BEGIN", "SELECT", "COMMIT"]
    assert [begin.in_transaction, two.in_transaction, commit.in_transaction] == [False, True, True]
    assert two.statements == ("SELECT 1", "SHOW work_mem")
    assert two.shape == "SELECT ?; SHOW work_mem"
    assert {one.backend_pid for one in keeper.boundaries} == {service.get_server_pid()}
    assert [one.ordinal for one in keeper.boundaries] == [1, 2, 3]
    assert {one.connection for one in keeper.boundaries} == {1}
    assert [reply.in_transaction for reply in keeper.replies] == [True, True, False]


async def test_a_reply_counts_rows_and_names_errors(gated: RelayLink, service: Connection) -> None:
    keeper = engage(gated)
    await service.fetch("SELECT generate_series(1, 3)")
    with pytest.raises(asyncpg.DivisionByZeroError):
        await service.fetch("SELECT 1/0")
    counted, failed = keeper.replies
    assert (counted.summary, counted.rows, counted.error) == ("SELECT 3", 3, "")
    assert (failed.error, failed.rows) == ("22012", None)


# -- statements and portals ---------------------------------------------------------------------


async def test_a_statement_prepared_before_the_keeper_came_has_its_text(
    gated: RelayLink, service: Connection
) -> None:
    statement = await service.prepare("SELECT 'known' WHERE $1")
    await statement.fetch(True)
    keeper = engage(gated)
    await statement.fetch(True)
    assert [one.text for one in keeper.boundaries] == ["SELECT 'known' WHERE $1"]


async def test_a_cursors_portal_has_its_statements_text_each_time(
    gated: RelayLink, service: Connection
) -> None:
    keeper = engage(gated)
    async with service.transaction():
        cursor = await service.cursor("SELECT generate_series(1, 4)")
        assert len(await cursor.fetch(2)) == 2
        assert len(await cursor.fetch(2)) == 2
    assert [one.text for one in keeper.boundaries if one.verb == "SELECT"] == [
        "SELECT generate_series(1, 4)"
    ] * 2


async def test_what_was_deallocated_is_forgotten(gated: RelayLink, service: Connection) -> None:
    statement = await service.prepare("SELECT 1", name="kept")
    await service.execute("DEALLOCATE kept")
    again = await service.prepare("SELECT 2", name="kept")
    keeper = engage(gated)
    assert await again.fetchval() == 2
    assert [one.text for one in keeper.boundaries] == ["SELECT 2"]
    assert statement.get_name() == "kept"


async def test_psycopgs_prepared_statements_have_their_text(gated: RelayLink, dsn: str) -> None:
    keeper = engage(gated)

    def run() -> None:
        with psycopg.connect(dsn, autocommit=True, prepare_threshold=0) as connection:
            for number in (1, 2):
                connection.execute("SELECT %s::int", (number,))

    await asyncio.to_thread(run)
    assert [one.text for one in keeper.boundaries] == ["SELECT $1::int"] * 2


# -- COPY, notifications, large results ---------------------------------------------------------


async def test_copy_in_is_held_at_its_beginning_and_at_the_end_of_its_data(
    gated: RelayLink, service: Connection
) -> None:
    await service.execute("CREATE TEMP TABLE copied (n int)")
    keeper = engage(gated)
    await service.copy_records_to_table("copied", records=[(n,) for n in range(20_000)])
    begins, ends = keeper.boundaries
    assert ends.text == begins.text
    assert ends.shape == begins.shape + " (end of data)"
    assert [reply.summary for reply in keeper.replies] == ["COPY begins", "COPY 20000"]
    assert [reply.in_transaction for reply in keeper.replies] == [True, False]


@pytest.mark.parametrize("held", [False, True], ids=["observed", "held"])
async def test_copy_by_the_extended_protocol_ignores_sync_until_its_end(
    gated: RelayLink, dsn: str, held: bool
) -> None:
    """libpq sends Sync behind the Execute that becomes a COPY; the server reads past it."""
    if held:
        engage(gated)

    said = await libpq(
        dsn,
        """
        connection.exec_(b"CREATE TEMP TABLE copied (n int)")
        for data in (b"1\\n2\\n", b"wrong\\n", b"3\\n"):
            connection.exec_params(b"COPY copied FROM STDIN", None)
            connection.put_copy_data(data)
            connection.put_copy_end()
            while connection.get_result():
                pass
        print(connection.exec_params(b"SELECT count(*) FROM copied", None).get_value(0, 0).decode())
        connection.exec_params(b"COPY copied TO STDOUT", None)
        while (got := connection.get_copy_data(0))[0] > 0:
            print(bytes(got[1]).decode().strip())
        """,
    )
    assert said.split() == ["3", "1", "2", "3"]
    assert gated.troubles() == ()


async def test_a_copy_that_the_client_calls_off_fails_in_order(gated: RelayLink, service: Connection) -> None:
    await service.execute("CREATE TEMP TABLE copied (n int)")
    keeper = engage(gated)

    async def breaks() -> AsyncIterator[bytes]:
        yield b"1\n"
        raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        await service.copy_to_table("copied", source=breaks())
    await keeper.until(lambda: len(keeper.replies) == 2)
    assert keeper.replies[-1].error == "57014"
    assert await service.fetchval("SELECT count(*) FROM copied") == 0


async def test_a_notification_comes_while_a_statement_of_its_listener_is_held(
    gated: RelayLink, service: Connection, postgres: PostgresServer
) -> None:
    heard: asyncio.Queue[str] = asyncio.Queue()
    await service.add_listener("news", lambda *said: heard.put_nowait(said[3]))
    keeper = engage(gated, on_ask=keep)
    asking = asyncio.ensure_future(service.execute("SELECT 1"))
    held = await keeper.held("SELECT 1")
    other = await asyncpg.connect(postgres.dsn(), ssl=False)
    await other.execute("NOTIFY news, 'sold out'")
    await other.close()
    async with asyncio.timeout(DEADLINE_S):
        assert await heard.get() == "sold out"
    gated.call(held.go)
    assert await asking == "SELECT 1"


@pytest.mark.parametrize("held", [False, True], ids=["observed", "held"])
async def test_large_rows_arrive_whole(gated: RelayLink, service: Connection, held: bool) -> None:
    if held:
        engage(gated)
    async with asyncio.timeout(DEADLINE_S):
        value = await service.fetchval("SELECT repeat('0123456789', 1000000)")
        assert value == "0123456789" * 1_000_000
        assert await service.fetchval("SELECT length($1)", value) == len(value)


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
    with pytest.raises(RuntimeError, match="deliver of boundary 1 on app->postgres is out of turn"):
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
    gated.call(held.go)  # nobody listens any more, and nobody is harmed
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
    """A's commit wakes B: B must not run on before it is its turn."""
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
