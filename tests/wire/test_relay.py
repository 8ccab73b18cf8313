"""The relay passes on and counts bytes, and fails as a network connection does."""

from __future__ import annotations

import asyncio
import socket
import struct
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager

import pytest

from overbooked.errors import StackError
from overbooked.wire.link import RelayLink
from overbooked.wire.relay import Relays

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
DEADLINE_S = 60.0


@pytest.fixture(params=["uvloop", "asyncio"])
def relays(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Relays]:
    """On both loops: uvloop is not everywhere, and the two differ in when they start to read."""
    if request.param == "asyncio":
        monkeypatch.setitem(sys.modules, "uvloop", None)
    made = Relays()
    yield made
    made.close()


@asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[tuple[str, int]]:
    server = await asyncio.start_server(handler, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[:2]
    finally:
        server.close()


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not holds():  # noqa: ASYNC110 - another thread counts
            await asyncio.sleep(0.005)


async def connect(link: RelayLink) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection(*link.address)


async def test_what_is_sent_comes_out_unchanged_and_is_counted(relays: Relays) -> None:
    async with serving(echo) as upstream:
        link = relays.open("client->app", upstream=upstream)
        reader, writer = await connect(link)
        before = link.traffic()
        writer.write(b"hello")
        assert await reader.readexactly(5) == b"hello"
        seen = link.traffic().since(before)
        assert (seen.messages, seen.bytes_up, seen.replies, seen.bytes_down) == (1, 5, 1, 5)
        assert link.traffic().connections == 1
        writer.close()


async def test_a_link_without_clients_counts_nothing(relays: Relays) -> None:
    link = relays.open("client->app", upstream=("127.0.0.1", 9))
    assert link.traffic().messages == 0
    assert link.traffic().connections == 0


async def test_a_large_transfer_survives_a_slow_reader(relays: Relays) -> None:
    size = 8 * 1024 * 1024
    content = bytes(range(256)) * (size // 256)

    async def pour(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(content)
        await writer.drain()
        writer.close()

    async with serving(pour) as upstream:
        link = relays.open("client->app", upstream=upstream)
        reader, writer = await asyncio.open_connection(*link.address, limit=1024)
        # There is no reader yet: the relay must apply back pressure instead of buffering everything.
        await until(lambda: link.traffic().bytes_down > 0)
        held = link.traffic().bytes_down
        async with asyncio.timeout(DEADLINE_S):
            stable = -1
            while stable != held:
                stable, held = held, link.traffic().bytes_down
                await asyncio.sleep(0.05)
        assert held < size
        assert await reader.read(-1) == content
        writer.close()


async def test_an_end_of_stream_is_passed_on_and_the_answer_still_comes_back(relays: Relays) -> None:
    async def answer_at_the_end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = await reader.read(-1)
        writer.write(asked.upper())
        writer.close()

    async with serving(answer_at_the_end) as upstream:
        link = relays.open("client->app", upstream=upstream)
        reader, writer = await connect(link)
        writer.write(b"question")
        writer.write_eof()
        assert await reader.read(-1) == b"QUESTION"
        writer.close()


async def test_a_reset_by_the_server_reaches_the_client_as_a_reset(relays: Relays) -> None:
    async def slam(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
        )
        writer.transport.abort()

    async with serving(slam) as upstream:
        link = relays.open("client->app", upstream=upstream)
        reader, writer = await connect(link)
        writer.write(b"x")
        with pytest.raises(ConnectionResetError):
            await reader.read(1)
        assert link.traffic().resets == 1
        writer.close()


async def test_a_reset_by_the_client_reaches_the_server_as_a_reset(relays: Relays) -> None:
    ended: asyncio.Future[type[BaseException] | None] = asyncio.get_running_loop().create_future()

    async def wait_for_the_end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.read(-1)
            ended.set_result(None)
        except OSError as error:
            ended.set_result(type(error))
        writer.close()

    async with serving(wait_for_the_end) as upstream:
        link = relays.open("client->app", upstream=upstream)
        _, writer = await connect(link)
        writer.write(b"x")
        await until(lambda: link.traffic().messages == 1)
        writer.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
        )
        writer.transport.abort()
        async with asyncio.timeout(DEADLINE_S):
            assert await ended is ConnectionResetError


async def test_a_server_that_refuses_is_seen_as_a_reset(relays: Relays) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        link = relays.open("app->redis", upstream=free.getsockname())

        async def ask() -> None:
            reader, writer = await connect(link)  # it may be reset while it still connects
            try:
                await reader.read(1)
            finally:
                writer.close()

        with pytest.raises(ConnectionResetError):
            await ask()


async def test_clients_wait_while_the_link_leads_nowhere(relays: Relays) -> None:
    async with serving(echo) as upstream:
        link = relays.open("app->postgres")
        reader, writer = await connect(link)
        writer.write(b"early")
        asking = asyncio.ensure_future(reader.readexactly(5))
        await until(lambda: link.traffic().connections == 1)
        assert not asking.done()
        relays.lead(link, upstream)
        async with asyncio.timeout(DEADLINE_S):
            assert await asking == b"early"
        writer.close()


async def test_cut_resets_every_open_connection_and_says_how_many(relays: Relays) -> None:
    async with serving(echo) as upstream:
        link = relays.open("app->postgres", upstream=upstream)
        pairs = [await connect(link) for _ in range(3)]
        for reader, writer in pairs:
            writer.write(b"x")
            await reader.readexactly(1)
        assert link.cut() == 3
        for reader, writer in pairs:
            with pytest.raises(ConnectionResetError):
                await reader.read(1)
            writer.close()
        assert link.traffic().resets == 3
        assert link.cut() == 0


async def test_a_connection_closed_in_order_is_no_longer_there_to_cut(relays: Relays) -> None:
    async with serving(echo) as upstream:
        link = relays.open("app->postgres", upstream=upstream)
        reader, writer = await connect(link)
        writer.write(b"x")
        await reader.readexactly(1)
        writer.close()
        await until(lambda: not relays._listeners["app->postgres"].connections)
        assert link.cut() == 0
        assert link.traffic().resets == 0


async def test_a_tripwire_fires_once_before_its_message_is_passed_on(relays: Relays) -> None:
    received: list[bytes] = []

    async def keep(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(100):
            received.append(data)
            writer.write(b".")
        writer.close()

    async with serving(keep) as upstream:
        link = relays.open("app->postgres", upstream=upstream)
        reader, writer = await connect(link)
        seen_at_fire: list[tuple[list[bytes], str]] = []
        trip = link.arm(
            after_messages=2,
            action=lambda: seen_at_fire.append((list(received), threading.current_thread().name)),
        )
        for message in (b"one", b"two", b"three"):
            writer.write(message)
            await reader.readexactly(1)
        assert trip.fired
        assert seen_at_fire == [([b"one"], "overbooked-relay")]
        assert received == [b"one", b"two", b"three"]
        writer.close()


async def test_a_disarmed_tripwire_never_fires(relays: Relays) -> None:
    async with serving(echo) as upstream:
        link = relays.open("app->postgres", upstream=upstream)
        trip = link.arm(after_messages=1, action=lambda: None)
        trip.disarm()
        trip.disarm()
        reader, writer = await connect(link)
        writer.write(b"x")
        await reader.readexactly(1)
        assert not trip.fired
        writer.close()


async def test_the_nearest_of_several_tripwires_fires_first(relays: Relays) -> None:
    async with serving(echo) as upstream:
        link = relays.open("app->postgres", upstream=upstream)
        fired: list[str] = []
        link.arm(after_messages=2, action=lambda: fired.append("second"))
        link.arm(after_messages=1, action=lambda: fired.append("first"))
        reader, writer = await connect(link)
        for _ in range(2):
            writer.write(b"x")
            await reader.readexactly(1)
        assert fired == ["first", "second"]
        writer.close()


async def test_a_tripwire_may_cut_its_own_link(relays: Relays) -> None:
    async with serving(echo) as upstream:
        link = relays.open("app->postgres", upstream=upstream)
        link.arm(after_messages=1, action=link.cut)
        reader, writer = await connect(link)
        writer.write(b"x")
        with pytest.raises(ConnectionResetError):
            await reader.read(1)
        writer.close()


async def test_a_failing_action_does_not_stop_the_message(relays: Relays) -> None:
    async with serving(echo) as upstream:
        link = relays.open("app->postgres", upstream=upstream)
        trip = link.arm(after_messages=1, action=lambda: 1 / 0)
        reader, writer = await connect(link)
        writer.write(b"x")
        assert await reader.readexactly(1) == b"x"
        assert trip.fired
        writer.close()


async def test_messages_are_counted_from_one(relays: Relays) -> None:
    link = relays.open("app->postgres", upstream=("127.0.0.1", 9))
    with pytest.raises(ValueError, match="counts from 1"):
        link.arm(after_messages=0, action=lambda: None)


async def test_an_occupied_port_names_the_link(relays: Relays) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(StackError, match=r"relay of client->app cannot listen on 127\.0\.0\.1"):
            relays.open("client->app", port=other.getsockname()[1])


async def test_a_link_is_opened_once(relays: Relays) -> None:
    relays.open("client->app")
    with pytest.raises(StackError, match="already open"):
        relays.open("client->app")


async def test_closing_resets_what_is_open_and_stops_listening(relays: Relays) -> None:
    async with serving(echo) as upstream:
        link = relays.open("client->app", upstream=upstream)
        reader, writer = await connect(link)
        writer.write(b"x")
        await reader.readexactly(1)
        relays.close()
        relays.close()
        with pytest.raises(ConnectionResetError):
            await reader.read(1)
        writer.close()
        with pytest.raises(ConnectionRefusedError):
            await connect(link)


async def test_a_client_cut_off_while_its_server_is_dialled_is_let_go(relays: Relays) -> None:
    link = relays.open("app->postgres")
    reader, writer = await connect(link)
    await until(lambda: link.traffic().connections == 1)
    assert link.cut() == 1
    with pytest.raises(ConnectionResetError):
        await reader.read(1)
    writer.close()
