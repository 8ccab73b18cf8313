"""PostgreSQL through the gate: drivers notice nothing, and every statement that executes is a boundary."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import psycopg
import pytest

from overbooked.wire.link import RelayLink
from tests.wire.postgres.libpq import libpq
from tests.wire.postgres.server import PostgresServer
from tests.wire.watching_keeper import DEADLINE_S, engage, keep

Connection = asyncpg.Connection


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
    assert await service.fetchval("SELECT count(*) FROM copied") == 0
    # asyncpg cancels it, too: the server meets that before the COPY, within it, or at its end.
    assert [reply.error for reply in keeper.replies][-2:] == ["57014", ""]


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
