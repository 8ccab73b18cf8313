"""Servers behind a proxy, in threads, that record the end of each connection."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator

PATIENCE_S = 10.0


class Upstream:
    """Accepts on loopback and passes each connection to `serve`."""

    def __init__(self, serve: Callable[[Upstream, socket.socket], None]) -> None:
        self._serve = serve
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.address = f"127.0.0.1:{self.port}"
        self.accepted = 0
        self.received = bytearray()
        self.endings: list[str] = []  # "eof" or "reset" per connection
        self.news = threading.Condition()
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self._open.append(sock)
            with self.news:
                self.accepted += 1
                self.news.notify_all()
            threading.Thread(target=self._run, args=(sock,), daemon=True).start()

    def _run(self, sock: socket.socket) -> None:
        ending = "eof"
        try:
            self._serve(self, sock)
        except ConnectionError:
            ending = "reset"
        except OSError:
            return
        finally:
            sock.close()
        with self.news:
            self.endings.append(ending)
            self.news.notify_all()

    def took(self, data: bytes) -> None:
        with self.news:
            self.received += data
            self.news.notify_all()

    def await_until(self, holds: Callable[[], bool]) -> None:
        with self.news:
            assert self.news.wait_for(holds, PATIENCE_S), (self.accepted, self.received[:80], self.endings)

    def hang_up(self) -> None:
        """Close every connection from this side."""
        for sock in self._open:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.hang_up()


def echo(upstream: Upstream, sock: socket.socket) -> None:
    """Send back all received data."""
    while data := sock.recv(65536):
        upstream.took(data)
        sock.sendall(data)


def sink(upstream: Upstream, sock: socket.socket) -> None:
    """Receive all data and send nothing."""
    while data := sock.recv(65536):
        upstream.took(data)


@contextlib.contextmanager
def upstream(serve: Callable[[Upstream, socket.socket], None]) -> Iterator[Upstream]:
    made = Upstream(serve)
    try:
        yield made
    finally:
        made.close()


class Client:
    """A client socket with deadlines that records how it ended."""

    def __init__(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        self.sock = socket.create_connection((host.strip("[]"), int(port)), PATIENCE_S)
        self.sock.settimeout(PATIENCE_S)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.sock.close()

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def receive(self, n: int) -> bytes:
        """Receive `n` bytes, fewer if the stream ended."""
        found = b""
        while len(found) < n and (data := self.sock.recv(n - len(found))):
            found += data
        return found

    def exchange(self, data: bytes) -> float:
        """Send data and receive as many bytes; returns the duration in seconds."""
        started = time.monotonic()
        self.send(data)
        assert self.receive(len(data)) == data
        return time.monotonic() - started

    def ending(self, give_up_after: bytes = b"") -> str:
        """Read until the end; returns "eof" or "reset", or "alive" if `give_up_after` arrived."""
        try:
            while data := self.sock.recv(65536):
                if give_up_after and data.endswith(give_up_after):
                    return "alive"
        except ConnectionResetError:
            return "reset"
        return "eof"

    def silent_for(self, seconds: float) -> bool:
        """Whether neither data nor an end comes within a time."""
        self.sock.settimeout(seconds)
        try:
            self.sock.recv(1)
        except TimeoutError:
            return True
        finally:
            self.sock.settimeout(PATIENCE_S)
        return False

    def reset(self) -> None:
        """Close with a reset."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()
