"""Toxiproxy servers for tests: ours on either event loop in a thread, and the real one."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import uvloop

from overbooked.toxiproxy.server.metrics import Metrics
from overbooked.toxiproxy.server.serving import serving

START_S = 10.0


@contextlib.contextmanager
def ours(
    loop_factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop,
    *,
    seed: int = 1,
    proxy_metrics: bool = False,
) -> Iterator[str]:
    """Run our server in a thread; yields its URL."""
    loop = loop_factory()
    started: list[str] = []
    ready, stop = threading.Event(), asyncio.Event()

    async def run() -> None:
        async with serving("127.0.0.1", 0, seed=seed, metrics=Metrics(proxies=proxy_metrics)) as (address, _):
            started.append(address)
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(run()), daemon=True)
    thread.start()
    assert ready.wait(START_S)
    try:
        yield f"http://{started[0]}"
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(START_S)
        loop.close()


@contextlib.contextmanager
def real(binary: Path, *options: str) -> Iterator[str]:
    """Run the real server as a child; yields its URL. It does not support port 0, so a free port is tried."""
    with process([str(binary), *options], ["-host", "127.0.0.1", "-port"]) as (url, _):
        yield url


@contextlib.contextmanager
def process(command: list[str], address: list[str]) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Run a server as a child, with its output in a file."""
    port = _free_port()
    with tempfile.TemporaryFile() as log:
        child = subprocess.Popen([*command, *address, str(port)], stdout=log, stderr=log)
        try:
            _await_port(port, child)
            yield f"http://127.0.0.1:{port}", child
        finally:
            child.kill()
            child.wait(START_S)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return int(sock.getsockname()[1])


def _await_port(port: int, child: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and child.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.2):
            return
        time.sleep(0.01)
    raise AssertionError(f"no server on port {port}; it {'runs' if child.poll() is None else 'ended'}")
