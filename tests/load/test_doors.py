"""Connections that send each request once and do not reuse stale sockets."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from overbooked.load import connections as doors
from overbooked.load.connections import Door
from overbooked.targets.adapter import HttpRequest
from overbooked.targets.errors import TransportError

ASK = HttpRequest("POST", "/book", {"X-Key": "k"}, b"{}")
ANSWER = b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\nX-Is: It\r\n\r\n{}"


class Peer:
    """A server that answers each request with the next of its answers; b"" closes the connection."""

    def __init__(self, *answers: bytes) -> None:
        self.answers = list(answers)
        self.requests: list[bytes] = []
        self.connections = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/base/"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            with connection:
                while self.answers and (request := self._request(connection)):
                    self.requests.append(request)
                    answer = self.answers.pop(0)
                    if not answer:
                        break
                    connection.sendall(answer)

    def _request(self, connection: socket.socket) -> bytes:
        request = b""
        while not request.endswith(ASK.body) and (part := connection.recv(65536)):
            request += part
        return request

    def close(self) -> None:
        self._listener.close()


@pytest.fixture
def peer() -> Iterator[Peer]:
    made = Peer()
    yield made
    made.close()


def test_a_request_is_sent_below_the_base_and_its_answer_read(peer: Peer):
    peer.answers = [ANSWER]
    response = Door(peer.url, 2).send(ASK)
    assert (response.status, response.body, response.headers["x-is"]) == (201, b"{}", "It")
    assert peer.requests[0].startswith(b"POST /base/book HTTP/1.1\r\n")
    assert b"X-Key: k" in peer.requests[0]


def test_a_connection_is_kept_for_the_next_request(peer: Peer):
    peer.answers = [ANSWER, ANSWER]
    door = Door(peer.url, 2)
    door.send(ASK)
    door.send(ASK)
    assert peer.connections == 1
    door.close()


def test_a_connection_that_idled_too_long_is_not_used_again(peer: Peer, monkeypatch: pytest.MonkeyPatch):
    peer.answers = [ANSWER, ANSWER]
    door = Door(peer.url, 2)
    door.send(ASK)
    later = time.monotonic() + doors.KEEP_IDLE_S + 1
    monkeypatch.setattr(doors.time, "monotonic", lambda: later)
    door.send(ASK)
    assert peer.connections == 2


def test_a_connection_the_server_closes_is_not_kept(peer: Peer):
    peer.answers = [ANSWER.replace(b"X-Is: It", b"Connection: close"), ANSWER]
    door = Door(peer.url, 2)
    door.send(ASK)
    door.send(ASK)
    assert peer.connections == 2


def test_a_request_whose_connection_breaks_is_never_sent_again(peer: Peer):
    peer.answers = [ANSWER, b"", ANSWER]
    door = Door(peer.url, 2)
    door.send(ASK)
    with pytest.raises(TransportError) as lost:
        door.send(ASK)
    assert lost.value.stage == "receive"
    assert len(peer.requests) == 2


def test_an_answer_that_is_cut_is_no_answer(peer: Peer):
    peer.answers = [ANSWER[:-1], b""]
    with pytest.raises(TransportError):
        Door(peer.url, 0.2).send(ASK)


def test_nobody_at_home_is_told_apart():
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    with pytest.raises(TransportError) as lost:
        Door(f"http://127.0.0.1:{port}", 1).send(ASK)
    assert lost.value.stage == "connect"
