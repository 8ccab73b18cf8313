"""Faults at the gate are real: client and server agree on the result."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import asyncpg
import psycopg
import pytest

from overbooked.errors import NotSupported
from overbooked.wire.gate.boundary import FaultKind, Held
from overbooked.wire.link import RelayLink
from tests.wire.postgres.libpq import libpq
from tests.wire.postgres.server import PostgresServer
from tests.wire.watching_keeper import engage, failing, keep, losing

Connection = asyncpg.Connection


@pytest.fixture
async def direct(postgres: PostgresServer) -> AsyncIterator[Connection]:
    """A connection beside the gate, to an empty table `marks`."""
    connection = await asyncpg.connect(postgres.dsn(), ssl=False)
    await connection.execute("DROP TABLE IF EXISTS marks; CREATE TABLE marks (n int PRIMARY KEY)")
    yield connection
    await connection.close()


@pytest.fixture
async def service(dsn: str, direct: Connection) -> AsyncIterator[Connection]:
    """The service's connection, through the gate."""
    connection = await asyncpg.connect(dsn, ssl=False)
    yield connection
    connection.terminate()


async def marks(direct: Connection) -> list[int]:
    return [row["n"] for row in await direct.fetch("SELECT n FROM marks ORDER BY n")]


async def plain(service: Connection, n: int) -> None:
    await service.execute(f"INSERT INTO marks VALUES ({n})")


async def prepared(service: Connection, n: int) -> None:
    await service.execute("INSERT INTO marks VALUES ($1)", n)


FORMS = pytest.mark.parametrize("insert", [plain, prepared], ids=["simple", "extended"])
Insert = Callable[[Connection, int], Awaitable[None]]


# -- errors in the session ----------------------------------------------------------------------


@FORMS
async def test_an_injected_error_has_its_sqlstate_and_nothing_is_executed(
    gated: RelayLink, service: Connection, direct: Connection, insert: Insert
) -> None:
    engage(gated, on_ask=failing("INSERT", code="40001", message="it's $1 \\ late"))
    with pytest.raises(asyncpg.SerializationError, match=r"it's \$1 \\ late"):
        await insert(service, 1)
    assert await marks(direct) == []
    await insert(service, 2)
    assert await marks(direct) == [2]
    assert not service.is_in_transaction()


@FORMS
async def test_a_transaction_has_failed_after_an_injected_error(
    gated: RelayLink, service: Connection, direct: Connection, insert: Insert
) -> None:
    engage(gated, on_ask=failing("(2)" if insert is plain else "$1", code="23505"))
    transaction = service.transaction()
    await transaction.start()
    with pytest.raises(asyncpg.UniqueViolationError):
        await insert(service, 2)
    with pytest.raises(asyncpg.InFailedSQLTransactionError):
        await service.fetch("SELECT 1")
    await transaction.rollback()
    assert await service.fetchval("SELECT 1") == 1
    assert await marks(direct) == []


@FORMS
async def test_savepoints_are_intact_after_an_injected_error(
    gated: RelayLink, service: Connection, direct: Connection, insert: Insert
) -> None:
    async with service.transaction():
        await insert(service, 1)
        savepoint = service.transaction()
        await savepoint.start()
        engage(gated, on_ask=failing("INSERT", code="40P01"))
        with pytest.raises(asyncpg.DeadlockDetectedError):
            await insert(service, 2)
        await savepoint.rollback()
        await insert(service, 3)
    assert await marks(direct) == [1, 3]


async def test_a_failed_commit_has_rolled_back_and_left_the_transaction(
    gated: RelayLink, service: Connection, direct: Connection
) -> None:
    keeper = engage(gated, on_ask=failing("COMMIT", code="40001"))
    with pytest.raises(asyncpg.SerializationError):
        async with service.transaction():
            await plain(service, 1)
    assert "ROLLBACK" not in keeper.verbs  # the driver knows that the transaction has ended
    assert not service.is_in_transaction()
    assert await marks(direct) == []
    await plain(service, 2)
    assert await marks(direct) == [2]


async def test_a_failed_commit_by_the_extended_protocol_is_the_same(
    gated: RelayLink, service: Connection, direct: Connection
) -> None:
    engage(gated, on_ask=failing("COMMIT", code="40001"))
    await service.execute("BEGIN")
    await prepared(service, 1)
    with pytest.raises(asyncpg.SerializationError):
        await service.fetch("COMMIT")
    assert not service.is_in_transaction()
    assert await marks(direct) == []


async def test_a_prepared_statement_can_be_used_again_after_an_injected_error(
    gated: RelayLink, service: Connection
) -> None:
    statement = await service.prepare("SELECT $1::int + 1")
    engage(gated, on_ask=failing("SELECT", code="57014"))
    with pytest.raises(asyncpg.QueryCanceledError):
        await statement.fetchval(1)
    assert await statement.fetchval(2) == 3
    assert await service.fetchval("SELECT count(*) FROM pg_prepared_statements WHERE name LIKE '%gate%'") == 0


async def test_an_unnamed_statement_can_be_used_again_after_an_injected_error(
    gated: RelayLink, dsn: str
) -> None:
    connection = await asyncpg.connect(dsn, ssl=False, statement_cache_size=0)
    statement = await connection.prepare("SELECT $1::int + 1", name="")
    engage(gated, on_ask=failing("SELECT", code="57014"))
    with pytest.raises(asyncpg.QueryCanceledError):
        await statement.fetchval(1)
    assert await statement.fetchval(2) == 3
    connection.terminate()


async def test_the_statements_behind_an_injected_error_in_a_pipeline_are_aborted(
    gated: RelayLink, dsn: str, direct: Connection
) -> None:
    engage(gated, on_ask=failing("(1)", code="40001"))

    def run() -> list[str]:
        said = []
        with psycopg.connect(dsn, autocommit=True) as connection:
            try:
                with connection.pipeline():
                    cursors = [connection.execute(f"INSERT INTO marks VALUES ({n})") for n in (1, 2)]
                    for cursor in cursors:
                        cursor.fetchall()
            except psycopg.Error as error:
                said.append(error.sqlstate or type(error).__name__)
            connection.execute("INSERT INTO marks VALUES (3)")
        return said

    assert await asyncio.to_thread(run) == ["40001"]
    assert 3 in await marks(direct)
    assert 1 not in await marks(direct)


async def test_a_commit_by_sync_fails_with_what_was_flushed_before_it(
    gated: RelayLink, dsn: str, direct: Connection
) -> None:
    engage(gated, on_ask=failing("COMMIT", code="40001"))
    said = await libpq(
        dsn,
        """
        connection.enter_pipeline_mode()
        connection.send_query_params(b"INSERT INTO marks VALUES (1)", None)
        connection.send_flush_request()
        connection.flush()
        print(connection.get_result().status, connection.get_result())
        connection.pipeline_sync()
        failed = connection.get_result()
        print(failed.error_field(psycopg.pq.DiagnosticField.SQLSTATE).decode())
        """,
    )
    assert said.split()[-1] == "40001"
    assert await marks(direct) == []


async def test_executemany_fails_as_a_whole(
    gated: RelayLink, service: Connection, direct: Connection
) -> None:
    keeper = engage(gated, on_ask=failing("INSERT", code="53300"))
    with pytest.raises(asyncpg.TooManyConnectionsError):
        await service.executemany("INSERT INTO marks VALUES ($1)", [(n,) for n in range(5)])
    assert len(keeper.boundaries[-1].statements) == 5
    assert keeper.boundaries[-1].text == "INSERT INTO marks VALUES ($1)"
    assert await marks(direct) == []
    assert not service.is_in_transaction()


async def test_a_copy_fails_at_the_end_of_its_data(
    gated: RelayLink, service: Connection, direct: Connection
) -> None:
    def fail_the_end(held: Held) -> None:
        if held.boundary.shape.endswith("(end of data)"):
            held.fail(FaultKind.ERROR, code="53100", message="disk full")
        else:
            held.go()

    engage(gated, on_ask=fail_the_end)
    with pytest.raises(asyncpg.DiskFullError, match="disk full"):
        await service.copy_records_to_table("marks", records=[(1,), (2,)])
    assert await marks(direct) == []
    assert await service.fetchval("SELECT 1") == 1


async def test_the_reply_of_a_failed_boundary_is_known(gated: RelayLink, service: Connection) -> None:
    keeper = engage(gated, on_ask=failing("SELECT", code="40001", message="once more"))
    with pytest.raises(asyncpg.SerializationError):
        await service.fetch("SELECT 1")
    reply = keeper.asked[-1].reply
    assert reply is not None
    assert (reply.error, reply.summary, reply.in_transaction) == ("40001", "40001 once more", False)
    assert keeper.replies == []  # the keeper was not asked


@pytest.mark.parametrize(
    ("statement", "code", "said"),
    [
        ("ROLLBACK", "40001", "does not fail"),
        ("SELECT 1", "4000", "not a SQLSTATE"),
        ("SELECT 1", "00000", "not a SQLSTATE"),
    ],
)
async def test_what_makes_no_sense_says_why_and_still_waits(
    gated: RelayLink, service: Connection, statement: str, code: str, said: str
) -> None:
    keeper = engage(gated, on_ask=keep)
    asking = asyncio.ensure_future(service.execute(statement))
    held = await keeper.held(statement)
    with pytest.raises(NotSupported, match=said):
        gated.call(lambda: held.fail(FaultKind.ERROR, code=code))
    gated.call(held.go)
    await asking


async def test_a_failed_transaction_fails_by_itself(gated: RelayLink, service: Connection) -> None:
    await service.execute("BEGIN")
    with pytest.raises(asyncpg.DivisionByZeroError):
        await service.fetch("SELECT 1/0")
    refused: list[str] = []

    def fail(held: Held) -> None:
        try:
            held.fail(FaultKind.ERROR, code="40001")
        except NotSupported as why:
            refused.append(str(why))
            held.go()

    engage(gated, on_ask=fail)
    with pytest.raises(asyncpg.InFailedSQLTransactionError):
        await service.execute("SELECT 1")
    assert "already failed" in refused[0]


async def test_kills_are_not_the_gates_to_do(gated: RelayLink, service: Connection) -> None:
    keeper = engage(gated, on_ask=keep)
    asking = asyncio.ensure_future(service.execute("SELECT 1"))
    held = await keeper.held("SELECT 1")
    with pytest.raises(NotSupported, match="kill while it is held"):
        gated.call(lambda: held.fail(FaultKind.KILL_BEFORE))
    gated.call(held.go)
    await asking


# -- resets, lost answers, stalls, trickles -----------------------------------------------------


@FORMS
async def test_a_reset_before_leaves_nothing_on_the_server(
    gated: RelayLink, service: Connection, direct: Connection, insert: Insert
) -> None:
    engage(gated, on_ask=failing("INSERT", FaultKind.RESET_BEFORE))
    with pytest.raises((asyncpg.ConnectionDoesNotExistError, ConnectionResetError)):
        await insert(service, 1)
    assert await marks(direct) == []
    assert gated.traffic().resets == 1


@FORMS
async def test_a_lost_answer_was_executed_and_committed(
    gated: RelayLink, service: Connection, direct: Connection, insert: Insert
) -> None:
    engage(gated, on_answer=losing("INSERT"))
    with pytest.raises((asyncpg.ConnectionDoesNotExistError, ConnectionResetError)):
        await insert(service, 1)
    assert await marks(direct) == [1]


async def test_a_lost_commit_is_durable(gated: RelayLink, service: Connection, direct: Connection) -> None:
    engage(gated, on_answer=losing("COMMIT"))
    with pytest.raises((asyncpg.ConnectionDoesNotExistError, ConnectionResetError)):
        async with service.transaction():
            await plain(service, 1)
    assert await marks(direct) == [1]


async def test_what_is_lost_within_a_transaction_is_rolled_back(
    gated: RelayLink, service: Connection, direct: Connection
) -> None:
    engage(gated, on_answer=losing("INSERT"))
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
        async with service.transaction():
            await plain(service, 1)
    assert await marks(direct) == []


async def test_a_stalled_statement_runs_when_it_is_healed(
    gated: RelayLink, service: Connection, direct: Connection
) -> None:
    keeper = engage(gated, on_ask=failing("INSERT", FaultKind.STALL))
    asking = asyncio.ensure_future(plain(service, 1))
    await keeper.until(lambda: bool(keeper.asked))
    assert await marks(direct) == []
    assert not asking.done()
    gated.gate(None)
    await asyncio.wait_for(asking, 5)
    assert await marks(direct) == [1]


async def test_a_client_that_gives_up_on_a_stall_closes_it(
    gated: RelayLink, service: Connection, direct: Connection
) -> None:
    keeper = engage(gated, on_ask=failing("INSERT", FaultKind.STALL))
    asking = asyncio.ensure_future(plain(service, 1))
    await keeper.until(lambda: bool(keeper.asked))
    service.terminate()
    with pytest.raises(asyncpg.ConnectionDoesNotExistError):
        await asking
    await keeper.until(lambda: bool(keeper.closings))
    assert keeper.closings == keeper.asked
    assert await marks(direct) == []


async def test_a_trickled_answer_is_the_same_answer(gated: RelayLink, service: Connection) -> None:
    expected = await service.fetch("SELECT generate_series(1, 50)")
    keeper = engage(gated, on_answer=lambda held: held.deliver(pieces=20, pause_s=0.001))
    assert await service.fetch("SELECT generate_series(1, 50)") == expected
    assert await service.fetchval("SELECT 2") == 2
    assert len(keeper.replies) == 2


async def test_what_trickles_comes_at_once_when_the_keeper_goes(
    gated: RelayLink, service: Connection
) -> None:
    keeper = engage(gated, on_answer=lambda held: held.deliver(pieces=1000, pause_s=60))
    asking = asyncio.ensure_future(service.fetchval("SELECT repeat('x', 3000)"))
    await keeper.until(lambda: bool(keeper.replies))
    assert not asking.done()
    gated.gate(None)
    assert len(await asyncio.wait_for(asking, 5)) == 3000
