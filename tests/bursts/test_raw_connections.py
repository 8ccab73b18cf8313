from __future__ import annotations

import pytest

from overbooked.targets.adapter import HttpRequest
from overbooked.targets.errors import TransportError
from overbooked.targets.raw_connection import Connection
from tests.targets.town import Call, Reply, Town


async def connected(town: Town) -> Connection:
    host, _, port = town.url.removeprefix("http://").partition(":")
    connection = Connection(host, int(port), "town.example")
    await connection.open()
    return connection


async def test_a_request_is_not_whole_before_its_last_byte() -> None:
    async with Town() as town:
        connection = await connected(town)
        await connection.hold(HttpRequest("POST", "/book/s1", {"X-Key": "k"}, b"{}"))
        assert connection.is_silent()
        assert not town.calls
        connection.release()
        response = await connection.receive()
        connection.close()
    assert (response.status, response.body) == (201, b'{"id": "b1"}')
    (call,) = town.calls
    assert (call.headers["host"], call.headers["x-key"], call.body) == ("town.example", "k", b"{}")


@pytest.mark.parametrize("method", ["GET", "DELETE", "POST"])
async def test_a_request_without_a_body_is_held_by_the_end_of_its_head(method: str) -> None:
    async with Town() as town:
        connection = await connected(town)
        await connection.hold(HttpRequest(method, "/x"))
        assert not town.calls
        connection.release()
        assert (await connection.receive()).status == 200
        connection.close()
    assert town.calls[0].method == method


async def test_headers_a_request_brings_are_its_own() -> None:
    async with Town() as town:
        connection = await connected(town)
        await connection.exchange(HttpRequest("POST", "/x", {"host": "other", "Content-Length": "2"}, b"{}"))
        connection.close()
    assert town.calls[0].headers["host"] == "other"


async def test_nobody_there_is_said_at_connecting() -> None:
    async with Town() as town:
        pass
    with pytest.raises(TransportError) as failed:
        await connected(town)
    assert failed.value.stage == "connect"


async def test_babble_is_no_answer() -> None:
    async def babble(_: Call) -> Reply:
        return b"hello\r\n\r\n"

    async with Town() as town:
        town.reply = babble
        connection = await connected(town)
        with pytest.raises(TransportError, match="RemoteProtocolError") as failed:
            await connection.exchange(HttpRequest("GET", "/x"))
    assert failed.value.stage == "receive"
    assert not connection.is_open
    assert not connection.is_silent()


async def test_a_closed_connection_takes_no_request() -> None:
    async with Town() as town:
        connection = await connected(town)
        connection.close()
        connection.close()
        with pytest.raises(TransportError, match="the connection is closed"):
            await connection.hold(HttpRequest("GET", "/x"))


async def test_an_answer_that_ends_too_soon_is_no_answer() -> None:
    async def cut(_: Call) -> Reply:
        return b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\nConnection: close\r\n\r\nhalf"

    async with Town() as town:
        town.reply = cut
        connection = await connected(town)
        with pytest.raises(TransportError) as failed:
            await connection.exchange(HttpRequest("GET", "/x"))
    assert failed.value.stage == "receive"


async def test_a_long_body_is_held_too() -> None:
    async with Town() as town:
        connection = await connected(town)
        await connection.hold(HttpRequest("POST", "/x", {}, b"a" * 3_000_000))
        assert not town.calls
        connection.release()
        assert (await connection.receive()).status == 200
        connection.close()
    assert len(town.calls[0].body) == 3_000_000
