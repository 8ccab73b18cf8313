"""HTTP clients through the gate to uvicorn: observing, holding, failing."""

from __future__ import annotations

import http.client
import socket
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, CloseConnection, Event, Request, TextMessage

from overbooked.wire.gate.boundary import FaultKind, WireProtocol
from overbooked.wire.link import RelayLink
from overbooked.wire.relay import Relays
from tests.wire.deciding_keeper import DEADLINE_S, Waiting
from tests.wire.http.server import Application, http_server
from tests.wire.sansio import Failing, Keeper


@pytest.fixture(scope="module")
def application() -> Application:
    return Application()


@pytest.fixture(scope="module")
def server(application: Application) -> Iterator[tuple[str, int]]:
    with http_server(application) as address:
        yield address


@pytest.fixture(params=["uvloop", "asyncio"])
def relays(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Relays]:
    if request.param == "asyncio":
        monkeypatch.setitem(sys.modules, "uvloop", None)
    made = Relays()
    yield made
    made.close()


@pytest.fixture
def link(relays: Relays, server: tuple[str, int], application: Application) -> RelayLink:
    application.seen.clear()
    return relays.open("client->app", upstream=server, protocol=WireProtocol.HTTP)


@pytest.fixture
def client(link: RelayLink) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"http://127.0.0.1:{link.address[1]}", timeout=DEADLINE_S) as made:
        yield made


@pytest.fixture(params=["observed", "held and let go"])
def passing(request: pytest.FixtureRequest, link: RelayLink) -> Iterator[Keeper | None]:
    keeper = Keeper(lets_go=True, delivers=True) if request.param != "observed" else None
    link.gate(keeper)
    yield keeper
    assert link.troubles() == ()


def test_requests_of_all_kinds(
    client: httpx.Client, passing: Keeper | None, application: Application
) -> None:
    large = b"x" * 500_000

    def chunks() -> Iterator[bytes]:
        yield from (b"one", b"two", b"three")

    assert client.get("/").text == "hello"
    assert client.head("/").text == ""
    assert client.post("/", content=large).content == large
    assert client.put("/", content=chunks()).text == "onetwothree"
    assert client.delete("/empty").status_code == 204
    assert client.get("/stream").text == "0\n1\n2\n3\n4\n"
    assert client.get("/", headers={"Connection": "close"}).text == "hello"
    assert client.get("/a?b=1").status_code == 200
    assert len(application.seen) == 8
    if passing is not None:
        assert passing.texts == [
            "GET /",
            "HEAD /",
            "POST /",
            "PUT /",
            "DELETE /empty",
            "GET /stream",
            "GET /",
            "GET /a?b=1",
        ]
        assert [each.connection for each in passing.boundaries] == [1] * 7 + [2]


def test_an_early_answer(link: RelayLink, passing: Keeper | None) -> None:
    with socket.create_connection(link.address, DEADLINE_S) as sock:
        sock.sendall(b"POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n12345")
        if passing is None:
            assert sock.recv(100).startswith(b"HTTP/1.1 413")
            return
        sock.sendall(b"67890")
        assert sock.recv(100).startswith(b"HTTP/1.1 413")


def test_a_client_that_waits_for_100(link: RelayLink, passing: Keeper | None) -> None:
    with socket.create_connection(link.address, DEADLINE_S) as sock, sock.makefile("rb") as said:
        for _ in range(2):
            sock.sendall(b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
            assert said.readline() == b"HTTP/1.1 100 Continue\r\n"
            assert said.readline() == b"\r\n"
            sock.sendall(b"12345")
            assert said.readline() == b"HTTP/1.1 200 OK\r\n"
            while said.readline() != b"\r\n":
                pass
            assert said.read(5) == b"12345"


def test_pipelined_requests_are_answered_in_order(link: RelayLink, passing: Keeper | None) -> None:
    with socket.create_connection(link.address, DEADLINE_S) as sock:
        bodies = [b"one", b"two", b"three"]
        sock.sendall(
            b"".join(
                b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body) for body in bodies
            )
        )
        with sock.makefile("rb") as said:
            for body in bodies:
                assert said.readline() == b"HTTP/1.1 200 OK\r\n"
                while said.readline() != b"\r\n":
                    pass
                assert said.read(len(body)) == body


def test_a_websocket_is_passed_through(link: RelayLink, passing: Keeper | None) -> None:
    with socket.create_connection(link.address, DEADLINE_S) as sock:
        connection = WSConnection(ConnectionType.CLIENT)
        events: list[Event] = []

        def until(kind: type[Event]) -> Event:
            while not any(isinstance(each, kind) for each in events):
                connection.receive_data(sock.recv(4096))
                events.extend(connection.events())
            found = next(each for each in events if isinstance(each, kind))
            events.remove(found)
            return found

        sock.sendall(connection.send(Request(host="a", target="/live")))
        until(AcceptConnection)
        welcome = until(TextMessage)
        assert isinstance(welcome, TextMessage)
        assert welcome.data == "welcome"
        sock.sendall(connection.send(TextMessage(data="sold out")))
        echoed = until(TextMessage)
        assert isinstance(echoed, TextMessage)
        assert echoed.data == "SOLD OUT"
        sock.sendall(connection.send(CloseConnection(code=1000)))
        until(CloseConnection)
    if passing is not None:
        assert passing.texts == ["GET /live"]


def test_who_goes_first_is_chosen(client: httpx.Client, link: RelayLink, application: Application) -> None:
    keeper = Waiting()
    link.gate(keeper)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(client.post, "/ana")
        hers = keeper.until_asked("POST /ana")
        second = pool.submit(client.post, "/ben")
        his = keeper.until_asked("POST /ben")
        link.call(his.go)
        keeper.until_answered("POST /ben")
        link.call(hers.go)
        keeper.until_answered("POST /ana")
        assert not first.done()
        assert not second.done()
        assert application.seen == ["POST /ben", "POST /ana"]
        link.gate(None)
        assert first.result(DEADLINE_S).status_code == second.result(DEADLINE_S).status_code == 200


@pytest.mark.parametrize(
    ("kind", "error", "executed"),
    [
        (FaultKind.RESET_BEFORE, httpx.ReadError, False),
        (FaultKind.ANSWER_LOST, httpx.ReadError, True),
        (FaultKind.STALL, httpx.ReadTimeout, False),
    ],
)
def test_a_fault_is_what_it_says(
    client: httpx.Client,
    link: RelayLink,
    application: Application,
    kind: FaultKind,
    error: type[Exception],
    *,
    executed: bool,
) -> None:
    link.gate(Failing(verb="POST", kind=kind))
    with pytest.raises(error):
        client.post("/pay", timeout=0.3)
    assert client.get("/").text == "hello"
    assert application.seen == [*["POST /pay"] * executed, "GET /"]


def test_a_refusal_is_an_answer_and_the_connection_goes_on(
    client: httpx.Client, link: RelayLink, application: Application
) -> None:
    keeper = Failing(verb="POST", code="503", message="overloaded")
    link.gate(keeper)
    refused = client.post("/pay", content=b"x")
    assert (refused.status_code, refused.headers["content-type"]) == (503, "application/problem+json")
    assert refused.json()["detail"] == "overloaded"
    assert client.get("/").text == "hello"
    assert application.seen == ["GET /"]
    assert {each.connection for each in keeper.boundaries} == {1}


def test_an_answer_trickles(client: httpx.Client, link: RelayLink) -> None:
    keeper = Waiting()
    link.gate(keeper)
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(client.get, "/")
        link.call(keeper.until_asked("GET /").go)
        held = keeper.until_answered("GET /")
        link.call(lambda: held.deliver(pieces=7, pause_s=0.005))
        assert answer.result(DEADLINE_S).text == "hello"


def test_a_request_held_longer_than_the_server_keeps_a_connection_is_served(relays: Relays) -> None:
    application = Application()
    with http_server(application, keep_alive_s=1) as server:
        link = relays.open("app->payments", upstream=server, protocol=WireProtocol.HTTP)
        connection = http.client.HTTPConnection(*link.address, timeout=DEADLINE_S)
        connection.request("GET", "/first")
        assert connection.getresponse().read() == b"hello"
        keeper = Waiting()
        link.gate(keeper)
        connection.request("POST", "/second", body=b"paid")
        held = keeper.until_asked("POST /second")
        before = link.traffic().closes
        give_up = time.monotonic() + DEADLINE_S
        while link.traffic().closes == before:  # until uvicorn has dropped the idle connection
            assert time.monotonic() < give_up, "uvicorn did not drop the connection"
            time.sleep(0.01)
        assert application.seen == ["GET /first"]
        link.call(held.go)
        answered = keeper.until_answered("POST /second")
        link.call(answered.deliver)
        response = connection.getresponse()
        assert (response.status, response.read()) == (200, b"paid")
        link.gate(None)
        connection.request("GET", "/third")
        assert connection.getresponse().read() == b"hello"
        assert application.seen == ["GET /first", "POST /second", "GET /third"]
        connection.close()


def test_a_held_request_whose_server_has_gone_is_reset(relays: Relays) -> None:
    application = Application()
    keeper = Waiting()
    with http_server(application) as server:
        link = relays.open("app->payments", upstream=server, protocol=WireProtocol.HTTP)
        connection = http.client.HTTPConnection(*link.address, timeout=DEADLINE_S)
        connection.request("GET", "/")
        assert connection.getresponse().read() == b"hello"
        link.gate(keeper)
        connection.request("POST", "/")
        held = keeper.until_asked("POST /")
    link.call(held.go)
    with pytest.raises(ConnectionError):
        connection.getresponse()
    keeper.until_closed()


def test_a_client_that_gives_up_is_told_to_the_keeper(client: httpx.Client, link: RelayLink) -> None:
    keeper = Waiting()
    keeper.delivers = True
    link.gate(keeper)
    with pytest.raises(httpx.ReadTimeout):
        client.get("/", timeout=0.2)
    held = keeper.until_asked("GET /")
    link.call(held.go)
    keeper.until_closed()


def test_tls_is_told_by_one_clear_line(link: RelayLink) -> None:
    keeper = Keeper()
    link.gate(keeper)
    with pytest.raises(httpx.TransportError):
        httpx.get(f"https://127.0.0.1:{link.address[1]}/", timeout=DEADLINE_S)
    assert "TLS" in link.troubles()[0]
    assert "TLS" in keeper.troubles[0]
