"""HTTP: the server closes an idle connection while a request is held, or never ends its answer."""

from __future__ import annotations

import socket
import threading

import pytest

from overbooked.wire.gate.boundary import FaultKind, WireProtocol
from overbooked.wire.relay import Relays
from tests.wire.deciding_keeper import Waiting
from tests.wire.http.messages import CREATED, GET, OK, POST, Line, through
from tests.wire.sansio import Keeper

GIVES_UP = b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


@pytest.fixture
def line(keeper: Keeper) -> Line:
    """A connection that has been used, and is idle."""
    line = Line(keeper)
    line.says(GET)
    keeper.held.go()
    line.answers(OK)
    keeper.answered[-1].deliver()
    line.wires.taken_up(), line.wires.taken_down()
    return line


@pytest.mark.parametrize("end", [True, False], ids=["and closes", "and lingers"])
def test_a_timeout_of_the_idle_connection_does_not_answer_a_held_request(
    line: Line, keeper: Keeper, end: bool
) -> None:
    line.says(POST)
    assert line.answers(GIVES_UP[:20]) == b""
    assert line.answers(GIVES_UP[20:]) == b""
    if end:
        line.session.server_ended()
    assert line.wires.happened == []
    keeper.held.go()
    assert line.wires.reconnects == 1
    assert line.wires.taken_up() == POST
    line.answers(CREATED)
    keeper.answered[-1].deliver()
    assert line.wires.taken_down() == CREATED
    assert keeper.replies[-1].summary == "201"


def test_a_timeout_while_a_request_comes_is_not_its_answer(line: Line, keeper: Keeper) -> None:
    line.says(POST[:-2])
    assert line.answers(GIVES_UP) == b""
    line.says(POST[-2:])
    keeper.held.go()
    assert (line.wires.reconnects, line.wires.taken_up()) == (1, POST)


def test_a_timeout_behind_a_held_answer_is_the_end_of_the_connection(line: Line, keeper: Keeper) -> None:
    line.says(POST)
    keeper.held.go()
    line.answers(CREATED)
    line.answers(GIVES_UP)
    line.says(GET)
    keeper.answered[-1].deliver()
    assert line.wires.taken_down() == CREATED
    keeper.held.go()
    assert line.wires.reconnects == 1


def test_after_a_refusal_the_client_hears_that_the_connection_has_gone(line: Line, keeper: Keeper) -> None:
    line.says(POST)
    line.answers(GIVES_UP)
    keeper.held.fail(FaultKind.ERROR)
    assert line.wires.taken_down().startswith(b"HTTP/1.1 503")
    assert line.wires.happened == ["end to client"]


def test_a_released_gate_sends_what_it_held_on_a_connection_that_is_heard(line: Line) -> None:
    line.says(POST)
    line.answers(GIVES_UP)
    line.engages(None)
    assert (line.wires.reconnects, line.wires.taken_up()) == (1, POST)
    assert line.answers(CREATED) == CREATED


def test_an_idle_client_hears_that_its_connection_is_given_up(line: Line) -> None:
    assert line.answers(GIVES_UP) == GIVES_UP


def test_the_held_post_is_answered_by_the_post() -> None:
    """By sockets: the server times out the idle connection, the POST is executed once, on another."""
    asked: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            first, _ = server.accept()
            asked.append(first.recv(4096))
            first.sendall(OK)
            given_up.wait()
            first.sendall(GIVES_UP)
            first.close()
            second, _ = server.accept()
            asked.append(second.recv(4096))
            second.sendall(CREATED)
            second.close()

        given_up = threading.Event()
        serving = threading.Thread(target=serve)
        serving.start()
        relays = Relays()
        link = relays.open("app->payments", upstream=server.getsockname(), protocol=WireProtocol.HTTP)
        try:
            with socket.create_connection(link.address, timeout=10) as client:
                client.sendall(GET)
                assert client.recv(4096) == OK
                keeper = Waiting()
                keeper.delivers = True
                link.gate(keeper)
                client.sendall(POST)
                held = keeper.until_asked("POST /bookings")
                before = link.traffic().replies
                given_up.set()
                while link.traffic().replies == before:
                    pass
                link.call(held.go)
                assert client.recv(4096) == CREATED
        finally:
            relays.close()
            serving.join()
    assert asked == [GET, POST]


# -- answers that only the connection's end ends --------------------------------------------------

IDENTITY = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\nContent-Length: 2\r\n\r\n"


@pytest.mark.parametrize("head", [IDENTITY, b"HTTP/1.1 200 OK\r\n\r\n"], ids=["identity", "no length"])
def test_an_answer_without_a_length_is_shown_at_its_head_and_streams(
    line: Line, keeper: Keeper, head: bytes
) -> None:
    line.says(GET)
    keeper.held.go()
    line.answers(head)
    assert keeper.replies[-1].summary == "200"
    keeper.answered[-1].deliver()
    assert line.wires.taken_down() == head
    assert line.answers(b"ok") == b"ok"
    line.session.server_ended()
    assert "end to client" in line.wires.happened


@pytest.mark.parametrize(
    "head",
    [b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", b"HTTP/1.0 200 OK\r\n\r\n"],
    ids=["said", "HTTP/1.0"],
)
def test_an_answer_whose_end_is_announced_is_held_whole(line: Line, keeper: Keeper, head: bytes) -> None:
    line.says(GET)
    keeper.held.go()
    line.answers(head + b"ok")
    assert len(keeper.replies) == 1
    line.session.server_ended()
    assert keeper.replies[-1].summary == "200"
    keeper.answered[-1].deliver()
    assert line.wires.taken_down() == head + b"ok"


def test_a_request_behind_an_answer_without_an_end_is_a_trouble_with_a_name(
    line: Line, keeper: Keeper
) -> None:
    line.wires.keeper = keeper = through()
    line.session.gate_changed()
    line.says(GET)
    line.answers(IDENTITY + b"ok")
    line.says(GET)
    assert "lasts until the server closes the connection" in keeper.troubles[0]
    assert line.wires.happened == ["reset"]


def test_a_request_pipelined_before_an_answer_without_an_end_goes_on_a_new_connection(
    line: Line, keeper: Keeper
) -> None:
    line.says(GET + POST)
    keeper.held.go()
    line.answers(IDENTITY)
    keeper.answered[-1].deliver()
    line.session.server_ended()
    keeper.held.go()
    assert line.wires.reconnects == 1
    assert keeper.troubles == []


@pytest.mark.parametrize("coding", [b"gzip, chunked", b"Chunked", b"gzip,chunked"])
def test_chunked_is_the_last_coding(line: Line, keeper: Keeper, coding: bytes) -> None:
    line.says(GET)
    keeper.held.go()
    line.answers(CREATED.replace(b"chunked", coding))
    assert keeper.replies[-1].summary == "201"


def test_xchunked_is_not_chunked(line: Line, keeper: Keeper) -> None:
    line.says(GET)
    keeper.held.go()
    line.answers(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\n\r\nzz")
    assert keeper.troubles == []
