"""A raw connection that can hold back the last byte of a request.

It uses plain sockets on the running loop, so that a single byte is sent immediately at a known time, which
no HTTP client guarantees. h11 parses responses.
"""

from __future__ import annotations

import asyncio
import select
import socket
import time

import h11

from overbooked.targets.adapter import HttpRequest, HttpResponse
from overbooked.targets.errors import TransportError

_READ_BYTES = 65536


class Connection:
    """A connection to one address, used for one request after another.

    Args:
        host, port: the address.
        authority: the Host header.
    """

    def __init__(self, host: str, port: int, authority: str) -> None:
        self._address = (host, port)
        self._authority = authority
        self._http = h11.Connection(h11.CLIENT)
        self._sock: socket.socket | None = None
        self._last = b""
        self.usable_until = 0.0

    async def open(self) -> None:
        """Connect.

        Raises:
            TransportError: the address does not accept a connection.
        """
        family = socket.AF_INET6 if ":" in self._address[0] else socket.AF_INET
        try:
            sock = socket.socket(family, socket.SOCK_STREAM)
        except OSError as error:
            raise TransportError(f"{type(error).__name__} {error}", stage="connect") from error
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._sock = sock
        self._http = h11.Connection(h11.CLIENT)
        try:
            await asyncio.get_running_loop().sock_connect(sock, self._address)
        except OSError as error:
            self.close()
            raise TransportError(f"{type(error).__name__} {error}", stage="connect") from error

    def close(self) -> None:
        """Close the socket; safe to repeat."""
        if self._sock is not None:
            self._sock.close()
            self._sock = None

    @property
    def is_open(self) -> bool:
        return self._sock is not None

    async def hold(self, request: HttpRequest) -> None:
        """Send a request except for its last byte.

        Raises:
            TransportError: the connection broke.
        """
        whole = self._encode(request)
        self._last = whole[-1:]
        try:
            await asyncio.get_running_loop().sock_sendall(self._open_sock(), whole[:-1])
        except OSError as error:
            raise self._broken(error, "send") from error

    def is_silent(self) -> bool:
        """Whether the server has sent nothing so far: no answer, EOF or reset."""
        if self._sock is None:
            return False
        poll = select.poll()
        poll.register(self._sock, select.POLLIN | select.POLLHUP | select.POLLERR)
        return not poll.poll(0)

    def release(self) -> float:
        """Send the last byte; return the time just before it (`time.monotonic`).

        Raises:
            TransportError: the connection broke, so the request was never complete.
        """
        sock, moment = self._open_sock(), time.monotonic()
        try:
            sock.send(self._last)
        except OSError as error:
            raise self._broken(error, "send") from error
        return moment

    async def receive(self) -> HttpResponse:
        """Read the response to its end.

        Raises:
            TransportError: it ended too early or is not HTTP.
        """
        loop, sock = asyncio.get_running_loop(), self._open_sock()
        status, body = 0, bytearray()
        headers: list[tuple[str, str]] = []
        try:
            while True:
                event = self._http.next_event()
                if event is h11.NEED_DATA:
                    self._http.receive_data(await loop.sock_recv(sock, _READ_BYTES))
                elif isinstance(event, h11.Response):
                    status = event.status_code
                    headers = [(k.decode("latin-1"), v.decode("latin-1")) for k, v in event.headers]
                elif isinstance(event, h11.Data):
                    body += event.data
                elif isinstance(event, h11.EndOfMessage):
                    break
                elif isinstance(event, h11.ConnectionClosed):
                    raise TransportError("closed before an answer", stage="receive")
        except (OSError, h11.RemoteProtocolError) as error:
            raise self._broken(error, "receive") from error
        self._turn_over()
        return HttpResponse.received(status, headers, bytes(body))

    async def exchange(self, request: HttpRequest) -> HttpResponse:
        """Send a whole request and read its response; raises TransportError."""
        await self.hold(request)
        self.release()
        return await self.receive()

    def _encode(self, request: HttpRequest) -> bytes:
        headers = request.header_list
        named = {name.lower() for name, _ in headers}
        if "host" not in named:
            headers.insert(0, ("Host", self._authority))
        if "content-length" not in named and (request.body or request.method in {"POST", "PUT", "PATCH"}):
            headers.append(("Content-Length", str(len(request.body))))
        parts = [self._http.send(h11.Request(method=request.method, target=request.path, headers=headers))]
        if request.body:
            parts.append(self._http.send(h11.Data(data=request.body)))
        parts.append(self._http.send(h11.EndOfMessage()))
        return b"".join(piece for piece in parts if piece)

    def _turn_over(self) -> None:
        if self._http.our_state is h11.DONE and self._http.their_state is h11.DONE:
            self._http.start_next_cycle()
        else:
            self.close()  # the server announced that it will close

    def _open_sock(self) -> socket.socket:
        if self._sock is None:
            raise TransportError("the connection is closed", stage="send")
        return self._sock

    def _broken(self, error: Exception, stage: str) -> TransportError:
        self.close()
        return TransportError(f"{type(error).__name__} {error}", stage=stage)
