"""While a message is held the server fails or the client closes: neither hangs, nothing leaks."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import textwrap
from collections.abc import AsyncIterator

import asyncpg
import psycopg
import pytest

from overbooked.errors import NotSupported
from overbooked.wire.gate.boundary import FaultKind
from overbooked.wire.link import RelayLink
from overbooked.wire.postgres.session import PostgresSession
from tests.wire.postgres.client import (
    BOUND,
    EXECUTE,
    FLUSH,
    PARSED,
    READY,
    SYNC,
    bind,
    done,
    error,
    m,
    parse,
    query,
)
from tests.wire.postgres.libpq import libpq
from tests.wire.postgres.messages import opened
from tests.wire.postgres.server import PostgresServer
from tests.wire.sansio import Keeper, Wires
from tests.wire.watching_keeper import DEADLINE_S, engage, keep, late

WRONG = error("22P02", text="invalid input syntax")
COPY = "COPY t FROM STDIN"


@pytest.fixture
async def direct(postgres: PostgresServer) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(postgres.dsn(), ssl=False)
    yield connection
    connection.terminate()


# -- the server fails a COPY before it hears of its end -----------------------------------------


def copying(keeper: Keeper, *, simple: bool) -> tuple[PostgresSession, Wires]:
    """A session in which a COPY has begun."""
    session, wires = opened(keeper)
    if simple:
        session.from_client(query(COPY))
        keeper.held.go()
        session.from_server(m("G", b"\0\0\0"))
    else:
        session.from_client(parse(COPY) + bind() + EXECUTE + SYNC)
        keeper.held.go()
        session.from_server(PARSED + BOUND + m("G", b"\0\0\0"))
    keeper.answered[-1].deliver()
    session.from_client(m("d", b"x\n"))
    wires.taken_up(), wires.taken_down()
    return session, wires


@pytest.mark.parametrize("ends", [m("c"), m("f", b"no more\0")], ids=["done", "fail"])
@pytest.mark.parametrize("simple", [True, False], ids=["simple", "extended"])
@pytest.mark.parametrize("first", ["error, end", "end, error", "end, go, error"])
def test_a_copy_that_the_server_fails_is_two_boundaries_whenever_its_error_comes(
    keeper: Keeper, ends: bytes, simple: bool, first: str
) -> None:
    """The server reads past the end of the data, so the error is the answer to that."""
    session, wires = copying(keeper, simple=simple)
    fails = WRONG + (READY if simple else b"")
    ends += b"" if simple else SYNC
    if first == "error, end":
        session.from_server(fails)
        assert wires.taken_down() == fails  # the client may wait for it
        fails = b""
        session.from_client(ends)
        keeper.held.go()
    elif first == "end, error":
        session.from_client(ends)
        session.from_server(fails)
        assert wires.taken_down() == b""
        keeper.held.go()
    else:
        session.from_client(ends)
        keeper.held.go()
        session.from_server(fails)
    assert wires.taken_up() == ends
    if not simple:
        session.from_server(READY)
    assert [one.shape for one in keeper.boundaries] == [COPY, f"{COPY} (end of data)"]
    assert keeper.replies[-1].error == "22P02"
    assert wires.taken_down() == b""
    keeper.answered[-1].deliver()
    assert wires.taken_down() == fails + (b"" if simple else READY)
    session.from_client(query("SELECT 1"))
    keeper.held.go()
    assert wires.taken_up() == query("SELECT 1")


def test_a_client_that_ends_no_copy_after_its_error_goes_on(keeper: Keeper) -> None:
    session, wires = copying(keeper, simple=False)
    session.from_server(WRONG)
    session.from_client(SYNC)
    session.from_server(READY)
    session.from_client(parse("SELECT 1") + bind() + EXECUTE + SYNC)
    assert keeper.texts == [COPY, "SELECT 1"]
    assert wires.taken_down() == WRONG + READY


def test_a_copy_that_has_failed_cannot_fail_again(keeper: Keeper) -> None:
    session, _ = copying(keeper, simple=True)
    session.from_client(m("c"))
    session.from_server(WRONG + READY)
    with pytest.raises(NotSupported, match="the COPY has already failed"):
        keeper.held.fail(FaultKind.ERROR)
    assert session.cancel(4711, b"key!")  # over before a server could hear of it
    keeper.held.go()
    assert keeper.replies[-1].error == "22P02"


def test_a_released_gate_delivers_the_error_of_a_copy_whose_end_it_held(keeper: Keeper) -> None:
    session, wires = copying(keeper, simple=True)
    session.from_client(m("c") + query("SELECT 1"))
    session.from_server(WRONG + READY)
    wires.keeper = None
    session.gate_changed()
    assert wires.taken_down() == WRONG + READY
    assert wires.taken_up() == m("c") + query("SELECT 1")


def test_a_server_that_goes_while_the_end_of_a_copy_is_held_is_heard(keeper: Keeper) -> None:
    session, wires = copying(keeper, simple=True)
    session.from_client(m("c"))
    fatal = error("57P01", "FATAL", "terminating connection due to administrator command")
    session.from_server(fatal)
    session.server_ended()
    assert wires.taken_down() == fatal
    assert wires.happened == ["end to client"]


@pytest.mark.parametrize("delay_s", [0.0, 0.003, 0.05])
async def test_a_copy_of_wrong_data_fails_and_the_connection_goes_on(
    gated: RelayLink, dsn: str, delay_s: float
) -> None:
    """By psycopg, whose CopyDone is held while the server has long refused the data."""
    keeper = engage(gated, **late(delay_s))

    def run() -> object:
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute("CREATE TEMP TABLE copied (n int)")
            cursor = connection.cursor()
            with (
                pytest.raises(psycopg.errors.InvalidTextRepresentation),
                cursor.copy("COPY copied FROM STDIN") as copy,
            ):
                copy.write("x\n")
            return connection.execute("SELECT count(*) FROM copied").fetchone()

    assert await asyncio.wait_for(asyncio.to_thread(run), DEADLINE_S) == (0,)
    assert [one.verb for one in keeper.boundaries] == ["CREATE", "COPY", "COPY", "SELECT"]
    assert keeper.replies[2].error == "22P02"


@pytest.mark.parametrize("delay_s", [0.0, 0.003, 0.05])
async def test_a_copy_cancelled_before_its_end_is_read_is_answered(
    gated: RelayLink, dsn: str, delay_s: float
) -> None:
    """asyncpg sends COPY, data, CopyFail and a cancellation at once: the server may meet that anywhere."""
    connection = await asyncpg.connect(dsn, ssl=False)
    await connection.execute("CREATE TEMP TABLE copied (n int)")
    keeper = engage(gated, **late(delay_s))

    async def breaks() -> AsyncIterator[bytes]:
        yield b"1\n"
        raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        await connection.copy_to_table("copied", source=breaks())
    assert await connection.fetchval("SELECT count(*) FROM copied") == 0
    assert [reply.error for reply in keeper.replies][-2:] == ["57014", ""]
    await connection.close()


# -- a group without an end ---------------------------------------------------------------------


def ring_all(wires: Wires) -> None:
    """Every timer comes due that was not called off."""
    due, wires.alarms = wires.alarms, []
    for alarm in due:
        alarm.ring()


def test_a_group_that_the_client_does_not_end_is_asked_after_a_while(keeper: Keeper) -> None:
    session, wires = opened(keeper)
    session.from_client(parse("SELECT 1/0") + bind() + EXECUTE)
    assert keeper.asked == []
    wires.ring()
    assert keeper.texts == ["SELECT 1/0"]
    keeper.held.go()
    assert wires.taken_up() == parse("SELECT 1/0") + bind() + EXECUTE + FLUSH
    session.from_server(PARSED + BOUND + error("22012"))
    keeper.answered[-1].deliver()
    assert wires.taken_down() == PARSED + BOUND + error("22012")
    session.from_client(SYNC)
    session.from_server(READY)
    assert wires.taken_up() == SYNC
    assert keeper.texts == ["SELECT 1/0"]


def test_a_group_that_goes_on_in_time_is_one_boundary(keeper: Keeper) -> None:
    session, wires = opened(keeper)
    for piece in (parse("SELECT 1"), bind(), EXECUTE):
        session.from_client(piece)
    session.from_client(SYNC)
    ring_all(wires)
    keeper.held.go()
    assert wires.taken_up() == parse("SELECT 1") + bind() + EXECUTE + SYNC
    assert len(keeper.asked) == 1


def test_half_a_message_is_waited_for_whatever_it_takes(keeper: Keeper) -> None:
    """But not what came before it: the server may have an error to tell of that."""
    session, wires = opened(keeper)
    session.from_client(parse("SELECT 1") + bind()[:-2])
    ring_all(wires)
    assert wires.taken_up() == parse("SELECT 1") + FLUSH
    session.from_server(PARSED)
    for _ in range(3):
        ring_all(wires)
    assert wires.taken_up() == b""
    session.from_client(bind()[-2:] + EXECUTE + SYNC)
    assert keeper.texts == ["SELECT 1"]
    keeper.held.go()
    assert wires.taken_up() == bind() + EXECUTE + SYNC


@pytest.mark.parametrize("refused", [b"\0", m("S", b"x" * 20_000)[:5], m("E", b"x" * 20_000)[:5]])
def test_what_the_server_refuses_by_its_head_is_not_waited_for(keeper: Keeper, refused: bytes) -> None:
    session, wires = opened(keeper)
    session.from_client(query("SELECT 1"))
    session.from_client(refused)
    assert keeper.troubles
    assert wires.happened == ["reset"]


async def test_a_pipeline_that_neither_syncs_nor_flushes_gets_the_servers_error(
    gated: RelayLink, dsn: str
) -> None:
    engage(gated, **late(0.003))
    said = await libpq(
        dsn,
        """
        connection.enter_pipeline_mode()
        connection.send_query_params(b"SELECT 1/0", None)
        connection.flush()
        print(connection.get_result().error_field(psycopg.pq.DiagnosticField.SQLSTATE).decode())
        connection.pipeline_sync()
        while not (result := connection.get_result()):
            pass
        print(psycopg.pq.ExecStatus(result.status).name)
        """,
    )
    assert said.split() == ["22012", "PIPELINE_SYNC"]


# -- a client that goes -------------------------------------------------------------------------

UNFINISHED = parse("SELECT 1") + bind() + EXECUTE


@pytest.mark.parametrize("waits", [UNFINISHED, UNFINISHED[:-3], m("c")], ids=["group", "message", "copy"])
def test_a_client_that_goes_in_the_middle_of_a_group_ends_at_the_server(keeper: Keeper, waits: bytes) -> None:
    session, wires = opened(keeper)
    session.from_client(waits)
    wires.taken_up()
    session.client_ended()
    assert wires.happened == ["end to server"]
    assert wires.taken_up() == b""
    ring_all(wires)
    assert keeper.asked == []


def test_a_client_that_goes_behind_a_running_statement_ends_at_the_server(keeper: Keeper) -> None:
    session, wires = opened(keeper)
    session.from_client(query("SELECT 1") + query("SELECT 2") + m("X"))
    keeper.held.go()
    session.client_ended()
    assert wires.happened == ["end to server"]
    assert wires.taken_up() == query("SELECT 1") + m("X")
    session.from_server(done("SELECT 1") + READY)
    keeper.answered[-1].deliver()
    assert keeper.texts == ["SELECT 1"]


HELD_CLIENT = """
    import socket, struct, sys, psycopg
    connection = psycopg.connect(sys.argv[1])
    connection.execute("LOCK TABLE wanted")
    ways = {ways!r}
    if ways == "a held statement":
        connection.pgconn.send_query(b"SELECT 'held'")
    elif ways == "megabytes behind a held statement":
        connection.pgconn.send_query(b"SELECT 'held'")
        with socket.fromfd(connection.fileno(), socket.AF_INET, socket.SOCK_STREAM) as own:
            text = b"SELECT '" + b"x" * 1500000 + b"'\\0"
            own.setblocking(True)
            own.sendall(b"Q" + struct.pack(">I", len(text) + 4) + text + b"Q" + struct.pack(">I", 1000))
    elif ways == "an unfinished group":
        connection.pgconn.enter_pipeline_mode()
        connection.pgconn.send_query_params(b"SELECT 'held'", None)
        connection.pgconn.flush()
    elif ways == "half a message":
        with socket.fromfd(connection.fileno(), socket.AF_INET, socket.SOCK_STREAM) as own:
            own.sendall(b"Q" + struct.pack(">I", 1000) + b"SELECT")
    print("ready", flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize(
    "way",
    [
        "a held statement",
        "megabytes behind a held statement",
        "an unfinished group",
        "half a message",
        "nothing",
    ],
)
async def test_a_client_that_is_killed_leaves_no_lock_behind(
    gated: RelayLink, dsn: str, direct: asyncpg.Connection, way: str
) -> None:
    await direct.execute("DROP TABLE IF EXISTS wanted; CREATE TABLE wanted (n int)")
    keeper = engage(gated, on_ask=lambda held: keep(held) if "'held'" in held.boundary.text else held.go())
    script = textwrap.dedent(HELD_CLIENT.format(ways=way))
    client = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, dsn, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert client.stdout is not None
    assert await asyncio.wait_for(client.stdout.readline(), DEADLINE_S) == b"ready\n"
    if "a held statement" in way:
        await keeper.held("'held'")
    os.kill(client.pid, signal.SIGKILL)
    await client.wait()
    await direct.execute("SET lock_timeout = '30s'")
    await direct.execute("LOCK TABLE wanted; DROP TABLE wanted")
    await keeper.until(lambda: bool(keeper.closings))
