"""A small stack: an echo server process behind a relay and a Toxiproxy, without a booking system."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping, Sequence

from overbooked.errors import StackError
from overbooked.stacks.base.protocol import Link, Process
from overbooked.stacks.processes.identity import wait_until_stopped
from overbooked.toxiproxy.client import ToxiproxyClient
from overbooked.wire.relay import Relays

PATIENCE_S = 10.0
LINK = "client->app"
IDLE = "app->redis"

# Echoes lines; with few imports, so that a restart is fast.
_SERVER = """
import socket, sys, threading
def serve(sock):
    try:
        while data := sock.recv(65536):
            sock.sendall(data)
            if data.endswith(b"bye\\n"):
                break
    except OSError:
        pass
    sock.close()
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
print("ready", flush=True)
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
"""


class EchoProcess:
    """The server; satisfies `overbooked.stacks.base.protocol.Process`."""

    def __init__(self, name: str, port: int) -> None:
        self.name = name
        self._port = port
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        return self._child.pid if self._child and self.alive() else None

    def alive(self) -> bool:
        return self._child is not None and self._child.poll() is None

    def kill(self) -> None:
        assert self._child
        self._child.kill()
        self._child.wait(PATIENCE_S)

    def pause(self) -> None:
        assert self._child
        self._child.send_signal(signal.SIGSTOP)
        # Wait until the signal is delivered, so that the next request is not answered.
        wait_until_stopped([self._child.pid], PATIENCE_S)

    def resume(self) -> None:
        assert self._child
        self._child.send_signal(signal.SIGCONT)

    async def start(self) -> None:
        command = [sys.executable, "-S", "-E", "-c", _SERVER, str(self._port)]
        self._child = subprocess.Popen(command, stdout=subprocess.PIPE)  # noqa: ASYNC220 - returns at once
        assert self._child.stdout
        said = await asyncio.wait_for(asyncio.to_thread(self._child.stdout.readline), PATIENCE_S)
        if not said:
            raise StackError(f"{self.name} did not start", part=self.name)

    def close(self) -> None:
        if self.alive():
            self.kill()
        if self._child and self._child.stdout:
            self._child.stdout.close()

    def log_tail(self, lines: int = 40) -> list[str]:
        return ["the last line"]

    def memory_bytes(self) -> int:
        return 0


class FakeStack:
    """The part of a stack that `Faults` needs."""

    id = "fake"
    kind = "embedded"
    versions: Mapping[str, str] = {}
    urls: Mapping[str, str] = {}
    dsns: Mapping[str, str] = {}
    replicas: Sequence[str] = ("app",)
    client_url = ""
    mutant = None

    def __init__(self, toxiproxy_url: str) -> None:
        self.toxiproxy_url = toxiproxy_url
        self.links: dict[str, Link] = {}
        self.processes: dict[str, Process] = {}

    async def start(self) -> None: ...

    async def renew(self, *, mutant: str | None) -> None: ...

    async def heal(self) -> None: ...

    async def check(self) -> None: ...

    async def close(self) -> None: ...

    def log_tail(self, process: str, lines: int = 40) -> list[str]:
        return []


@contextlib.asynccontextmanager
async def fake_stack(toxiproxy_url: str) -> AsyncIterator[FakeStack]:
    """A stack with two links to one server; tests do not touch the second."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    app = EchoProcess("app", port)
    client = ToxiproxyClient(toxiproxy_url)
    relays = Relays()
    stack = FakeStack(toxiproxy_url)
    try:
        await app.start()
        stack.processes["app"] = app
        for name in (LINK, IDLE):
            host, _, listen = client.create(name, f"127.0.0.1:{port}").listen.rpartition(":")
            stack.links[name] = relays.open(name, toxiproxy=name, upstream=(host, int(listen)))
        yield stack
    finally:
        for name in stack.links:
            client.delete(name)
        relays.close()
        app.close()


class Talker:
    """A client of a link that sends lines and receives their echo."""

    def __init__(self, link: Link) -> None:
        self._address = link.address
        self.reader: asyncio.StreamReader
        self.writer: asyncio.StreamWriter

    async def __aenter__(self) -> Talker:
        self.reader, self.writer = await asyncio.open_connection(*self._address)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.writer.close()

    async def ask(self, line: bytes = b"hello\n") -> float:
        """Send a line and receive its echo; returns the duration in seconds.

        Raises:
            ConnectionError: the connection ended first.
        """
        loop = asyncio.get_running_loop()
        started = loop.time()
        self.writer.write(line)
        async with asyncio.timeout(PATIENCE_S):
            heard = await self.reader.readline()
        if heard != line:
            raise ConnectionAbortedError(heard)
        return loop.time() - started

    async def say(self, line: bytes = b"hello\n") -> None:
        self.writer.write(line)
        await self.writer.drain()

    async def hears_nothing(self, seconds: float = 0.15) -> bool:
        try:
            async with asyncio.timeout(seconds):
                return await self.reader.read(1) is None
        except TimeoutError:
            return True

    async def ending(self) -> str:
        """Wait for the end of the connection; returns "eof" or "reset"."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                while await self.reader.read(65536):
                    pass
        except ConnectionResetError:
            return "reset"
        return "eof"
