"""Measures the gate's CPU time for one Redis or HTTP message and its answer.

    python -m tests.benchmarks.codecs

Sessions are fed in memory, without sockets. "Observed" is without a keeper; "held" is with one that releases
everything at once. The best of five rounds counts, to exclude other load on the machine.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from overbooked.wire.gate.session import Outlet, Session
from overbooked.wire.http.session import HttpSession
from overbooked.wire.redis.injection import encoded
from overbooked.wire.redis.session import RedisSession
from tests.wire.sansio import Keeper, Wires

ROUNDS, MESSAGES = 5, 5000
SET = encoded((b"SET", b"slot:123:hold", b"x" * 36, b"NX", b"PX", b"30000"))
POST = (
    b"POST /intents HTTP/1.1\r\nHost: 127.0.0.1:9\r\nAccept: */*\r\nAccept-Encoding: gzip\r\n"
    b"Connection: keep-alive\r\nUser-Agent: python-httpx/0.28\r\nIdempotency-Key: abc\r\n"
    b"Content-Length: 50\r\nContent-Type: application/json\r\n\r\n" + b"x" * 50
)
CREATED = (
    b"HTTP/1.1 201 Created\r\ndate: x\r\nserver: uvicorn\r\ncontent-length: 80\r\n"
    b"content-type: application/json\r\n\r\n" + b"y" * 80
)


def cost_us(make: Callable[[Outlet], Session], said: bytes, answer: bytes, *, held: bool) -> float:
    """Return the CPU time of one message and its answer in microseconds."""
    best = float("inf")
    for _ in range(ROUNDS):
        keeper = Keeper(lets_go=True, delivers=True) if held else None
        wires = Wires(keeper=keeper)
        session = make(wires)
        before = time.process_time()
        for _ in range(MESSAGES):
            session.from_client(said)
            session.from_server(answer)
            wires.up.clear()
            wires.down.clear()
        best = min(best, time.process_time() - before)
        assert keeper is None or len(keeper.answered) == MESSAGES
    return best / MESSAGES * 1e6


def main() -> None:
    sys.stdout.write("| | observed | held |\n|---|---|---|\n")
    exchanges: list[tuple[str, Callable[[Outlet], Session], bytes, bytes]] = [
        ("Redis, a SET", RedisSession, SET, b"+OK\r\n"),
        ("HTTP, a POST with 50 bytes of JSON", HttpSession, POST, CREATED),
    ]
    for name, make, said, answer in exchanges:
        observed, held = (cost_us(make, said, answer, held=held) for held in (False, True))
        sys.stdout.write(f"| {name} | {observed:.0f} µs | {held:.0f} µs |\n")


if __name__ == "__main__":
    main()
