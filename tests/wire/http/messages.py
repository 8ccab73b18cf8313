"""An HTTP session with its two ends and its clock in a test's hands."""

from __future__ import annotations

from overbooked.wire.http.session import HttpSession
from tests.wire.sansio import Keeper, Wires

GET = b"GET /slots/7?page=2 HTTP/1.1\r\nHost: a\r\nX-Trace: t\r\n\r\n"
POST = b"POST /bookings HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
CREATED = b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"
UPGRADE = b"GET /live HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
SWITCHING = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
EXPECTING = b"PUT /u HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Line:
    """A session with its two ends and its clock in a test's hands."""

    def __init__(self, keeper: Keeper | None = None) -> None:
        self.wires = Wires(link="app->payments", keeper=keeper)
        self.now_s = 0.0
        self.session = HttpSession(self.wires, clock=lambda: self.now_s)

    def says(self, data: bytes) -> bytes:
        """The client sends this; what the server was sent."""
        self.session.from_client(data)
        return self.wires.taken_up()

    def answers(self, data: bytes) -> bytes:
        """The server sends this; what the client was sent."""
        self.session.from_server(data)
        return self.wires.taken_down()

    def engages(self, keeper: Keeper | None) -> None:
        self.wires.keeper = keeper
        self.session.gate_changed()


def through() -> Keeper:
    return Keeper(lets_go=True, delivers=True)
