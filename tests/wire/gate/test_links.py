"""A link with a gate keeps its functions: counting, triggers, cuts and back pressure."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator

import asyncpg
import pytest

from overbooked.stacks.base.links import LinkPlan
from overbooked.wire.gate.boundary import WireProtocol
from overbooked.wire.link import RelayLink
from overbooked.wire.relay import Relays
from tests.wire.watching_keeper import DEADLINE_S, engage, keep

Connection = asyncpg.Connection


@pytest.fixture
async def service(dsn: str) -> AsyncIterator[Connection]:
    connection = await asyncpg.connect(dsn, ssl=False)
    yield connection
    connection.terminate()


@pytest.mark.parametrize(
    ("server", "protocol"),
    [
        ("postgres", WireProtocol.POSTGRES),
        ("redis", WireProtocol.REDIS),
        ("app", WireProtocol.HTTP),
        ("app-2", WireProtocol.HTTP),
        ("payments", WireProtocol.HTTP),
    ],
)
def test_a_links_protocol_is_that_of_the_part_it_leads_to(server: str, protocol: WireProtocol) -> None:
    assert LinkPlan(f"client->{server}", server).protocol is protocol


async def test_counts_are_the_same_with_a_keeper_and_without(gated: RelayLink, service: Connection) -> None:
    async def counted() -> tuple[int, int, int]:
        before = gated.traffic()
        await service.execute("SELECT 1")
        seen = gated.traffic().since(before)
        return seen.messages, seen.bytes_up, seen.bytes_down

    observed = await counted()
    engage(gated)
    assert await counted() == observed


async def test_a_tripwire_fires_before_its_statement_is_asked_about(
    gated: RelayLink, service: Connection
) -> None:
    keeper = engage(gated)
    seen: list[int] = []
    gated.arm(after_messages=1, action=lambda: seen.append(len(keeper.asked)))
    await service.execute("SELECT 1")
    assert seen == [0]


async def test_cut_resets_a_held_connection_and_says_what_was_held(
    gated: RelayLink, service: Connection
) -> None:
    keeper = engage(gated, on_ask=keep)
    asking = asyncio.ensure_future(service.execute("SELECT 1"))
    held = await keeper.held("SELECT 1")
    assert gated.cut() == 1
    with pytest.raises((asyncpg.ConnectionDoesNotExistError, ConnectionResetError)):
        await asking
    await keeper.until(lambda: bool(keeper.closings))
    assert keeper.closings == [held]
    gated.call(held.go)  # the client has gone; this has no effect


def test_a_call_runs_in_the_relays_thread_and_returns(gated: RelayLink) -> None:
    assert gated.call(lambda: threading.current_thread().name) == "overbooked-relay"
    assert gated.call(lambda: gated.call(lambda: 7)) == 7
    with pytest.raises(LookupError, match="mine"):
        gated.call(lambda: _raise(LookupError("mine")))
    assert gated.loop.is_running()


def _raise(error: Exception) -> None:
    raise error


async def test_a_raw_link_asks_no_keeper() -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.read(100))
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    relays = Relays()
    try:
        link = relays.open("raw", upstream=server.sockets[0].getsockname()[:2])
        keeper = engage(link, on_ask=keep)
        reader, writer = await asyncio.open_connection(*link.address)
        writer.write(b"anything")
        assert await asyncio.wait_for(reader.read(100), DEADLINE_S) == b"anything"
        assert keeper.asked == []
        writer.close()
    finally:
        relays.close()
        server.close()


async def test_a_client_that_speaks_after_the_server_has_hung_up_is_no_failure_of_the_gates() -> None:
    """Toxiproxy accepts for a server that is down and closes; then the SSLRequest arrives."""
    hung_up = asyncio.Event()

    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write_eof()
        await hung_up.wait()
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    relays = Relays()
    try:
        upstream = server.sockets[0].getsockname()[:2]
        link = relays.open("app->postgres", upstream=upstream, protocol=WireProtocol.POSTGRES)
        reader, writer = await asyncio.open_connection(*link.address)
        assert await asyncio.wait_for(reader.read(1), DEADLINE_S) == b""
        loop, spoken = asyncio.get_running_loop(), asyncio.Event()
        link.arm(after_messages=1, action=lambda: loop.call_soon_threadsafe(spoken.set))
        writer.write(bytes.fromhex("00000008 04d2162f"))
        await asyncio.wait_for(spoken.wait(), DEADLINE_S)
        assert link.call(link.troubles) == ()
        writer.close()
    finally:
        hung_up.set()
        relays.close()
        server.close()


async def test_a_client_that_may_not_connect_so_is_told_of_once(
    gated: RelayLink, caplog: pytest.LogCaptureFixture
) -> None:
    keeper = engage(gated)
    for _ in range(3):
        reader, writer = await asyncio.open_connection(*gated.address)
        writer.write(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
        with pytest.raises(ConnectionResetError):
            await asyncio.wait_for(reader.read(1), DEADLINE_S)
        writer.close()
    assert len(gated.troubles()) == 1
    assert [record.message for record in caplog.records].count(f"app->postgres: {gated.troubles()[0]}") == 1
    assert len(keeper.troubles) == 3


async def test_a_slow_reader_of_a_large_result_holds_the_server_back(
    gated: RelayLink, service: Connection
) -> None:
    """Observed, a result is passed on as it is read: it does not pile up at the gate."""
    size = 64 * 1024 * 1024
    before = gated.traffic().bytes_down
    begun = threading.Event()
    go_on = threading.Event()

    async def read_slowly() -> int:
        total = 0

        async def take(data: bytes) -> None:
            nonlocal total
            total += len(data)
            begun.set()
            await asyncio.to_thread(go_on.wait, DEADLINE_S)

        await service.copy_from_query("SELECT repeat('x', 1048575) FROM generate_series(1, 64)", output=take)
        return total

    reading = asyncio.ensure_future(read_slowly())
    await asyncio.to_thread(begun.wait, DEADLINE_S)
    async with asyncio.timeout(DEADLINE_S):
        stable, seen = -1, 0
        while stable != seen:
            stable, seen = seen, gated.traffic().bytes_down - before
            await asyncio.sleep(0.1)
    assert seen < size
    go_on.set()
    assert await asyncio.wait_for(reading, 60) == size
