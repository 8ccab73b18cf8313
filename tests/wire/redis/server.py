"""A Redis of its own for tests of the gate: loopback, in memory, without a password."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from overbooked.stacks.base.settings import StackSettings
from overbooked.stacks.servers.binaries import find_redis

START_TIMEOUT_S = 10.0


@contextmanager
def redis_server(folder: Path) -> Iterator[tuple[str, int]]:
    """Its address, once it answers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = "127.0.0.1", int(probe.getsockname()[1])
    command = [str(find_redis(StackSettings())), "--port", str(address[1]), "--bind", address[0]]
    command += ["--save", "", "--dir", str(folder)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        give_up = time.monotonic() + START_TIMEOUT_S
        while not _answers(address):
            assert server.poll() is None, "redis-server ended at once"
            assert time.monotonic() < give_up, f"redis-server did not answer within {START_TIMEOUT_S:g} s"
            time.sleep(0.01)
        yield address
    finally:
        server.terminate()
        server.wait(START_TIMEOUT_S)


def _answers(address: tuple[str, int]) -> bool:
    try:
        with socket.create_connection(address, timeout=1) as sock:
            sock.sendall(b"PING\r\n")
            return sock.recv(7) == b"+PONG\r\n"
    except OSError:
        return False
