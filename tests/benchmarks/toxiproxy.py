"""Compares our Toxiproxy with the real one in one run: added latency, throughput and CPU time.

    python -m tests.benchmarks.toxiproxy [--real BINARY] [--rounds N]

The results are the ratios; absolute figures depend on the machine.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import socket
import statistics
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

_PATIENCE_S = 10.0
_BULK_BYTES = 256 * 1024 * 1024
_ECHO = """
import asyncio, sys
class Echo(asyncio.Protocol):
    def connection_made(self, transport): self.transport = transport
    def data_received(self, data):
        if data[0] != 0: self.transport.write(data)
async def main():
    server = await asyncio.get_running_loop().create_server(Echo, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()
import uvloop
uvloop.run(main())
"""


@dataclass(frozen=True)
class Figures:
    """The measurements of one way to the server; times in microseconds."""

    one_us: float
    one_p99_us: float
    many_per_s: float
    bulk_mb_per_s: float
    cpu_us: float


def _connect(port: int) -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", port), _PATIENCE_S)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def _round_trips(port: int, rounds: int) -> list[float]:
    message = b"x" * 200
    took = []
    with _connect(port) as sock:
        for _ in range(rounds):
            started = time.perf_counter()
            sock.sendall(message)
            left = len(message)
            while left:
                left -= len(sock.recv(left))
            took.append((time.perf_counter() - started) * 1e6)
    return took


def _many(port: int, clients: int, rounds: int) -> float:
    threads = [threading.Thread(target=_round_trips, args=(port, rounds)) for _ in range(clients)]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return clients * rounds / (time.perf_counter() - started)


def _bulk(port: int) -> float:
    """Return the throughput to the server in megabytes per second, until the last echo arrives."""
    block = bytes(1024 * 1024)
    with _connect(port) as sock:
        started = time.perf_counter()
        for _ in range(_BULK_BYTES // len(block)):
            sock.sendall(block)
        took = time.perf_counter() - started
    return _BULK_BYTES / 1e6 / took


def _measure(port: int, rounds: int, child: subprocess.Popen[bytes] | None) -> Figures:
    _round_trips(port, rounds // 10)
    process = psutil.Process(child.pid) if child else None
    before = _cpu_s(process)
    one = _round_trips(port, rounds)
    cpu_us = (_cpu_s(process) - before) / rounds * 1e6
    many = _many(port, 16, rounds // 8)
    percentile = statistics.quantiles(one, n=100)[98]
    return Figures(statistics.median(one), percentile, many, _bulk(port), cpu_us)


def _cpu_s(process: psutil.Process | None) -> float:
    if process is None:
        return 0.0
    times = process.cpu_times()
    return float(times.user + times.system)


@contextlib.contextmanager
def _echo() -> Iterator[int]:
    child = subprocess.Popen([sys.executable, "-c", _ECHO], stdout=subprocess.PIPE)
    try:
        assert child.stdout
        yield int(child.stdout.readline())
    finally:
        child.kill()
        child.wait()


@contextlib.contextmanager
def _toxiproxy(command: list[str], upstream: int) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        api = free.getsockname()[1]
    child = subprocess.Popen(
        [*command, "-host", "127.0.0.1", "-port", str(api)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _await(lambda: _connect(api).close())
        asked = {"name": "p", "upstream": f"127.0.0.1:{upstream}", "listen": "127.0.0.1:0"}
        body = json.dumps(asked).encode()
        with urllib.request.urlopen(f"http://127.0.0.1:{api}/proxies", body) as answer:
            yield int(json.load(answer)["listen"].rpartition(":")[2]), child
    finally:
        child.kill()
        child.wait()


def _await(attempt: Callable[[], None]) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        try:
            return attempt()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--real", type=Path, default=os.environ.get("TOXIPROXY_SERVER"))
    parser.add_argument("--rounds", type=int, default=20_000)
    given = parser.parse_args()
    ways = {"ours": [sys.executable, "-m", "overbooked.toxiproxy.server"]}
    if given.real:
        ways["real"] = [str(given.real)]
    os.environ["LOG_LEVEL"] = "error"
    with _echo() as port:
        found = {"direct": _measure(port, given.rounds, None)}
        for name, command in ways.items():
            with _toxiproxy(command, port) as (listen, child):
                found[name] = _measure(listen, given.rounds, child)
    sys.stdout.write("\n".join(_table(found)) + "\n")


def _table(found: Mapping[str, Figures]) -> Iterator[str]:
    direct = found["direct"]
    yield f"{'':8}{'round trip':>12}{'p99':>9}{'added':>9}{'cpu':>9}{'16 clients':>14}{'bulk':>12}"
    for name, figures in found.items():
        yield (
            f"{name:8}{figures.one_us:9.1f} us{figures.one_p99_us:6.0f} us"
            f"{figures.one_us - direct.one_us:6.1f} us{figures.cpu_us:6.1f} us"
            f"{figures.many_per_s:11.0f} /s{figures.bulk_mb_per_s:7.0f} MB/s"
        )
    if "real" in found:
        ours, real = found["ours"], found["real"]
        added = (ours.one_us - direct.one_us) / (real.one_us - direct.one_us)
        yield (
            f"ours / real: added latency {added:.2f}, throughput {ours.many_per_s / real.many_per_s:.2f}, "
            f"bulk {ours.bulk_mb_per_s / real.bulk_mb_per_s:.2f}"
        )


if __name__ == "__main__":
    main()
