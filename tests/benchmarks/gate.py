"""Measures the gate's cost for PostgreSQL: added median latency of a statement, and throughput.

    python -m tests.benchmarks.gate [--statements 2000] [--rounds 5]

One connection sends `SELECT $1::int` (Bind, Execute, Sync, prepared before) again and again: straight to the
server, through a raw relay, through the gate that observes, and through the gate that holds every boundary
and releases it at once. The ways alternate every fifty statements, so that other load affects all equally;
the median over all rounds is shown for each. Throughput is measured once per round with a result of two
hundred thousand rows; the best round counts. The relays run in a separate process, as in a stack.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection

import asyncpg

from overbooked.wire.gate.boundary import WireProtocol
from overbooked.wire.relay import Relays
from tests.wire.conformance.led import PassAll
from tests.wire.postgres.server import postgres_server

ALLOWED_MEDIAN_US = 150.0
ROWS = 200_000
TURN = 50  # statements sent one way before the next way


@dataclass
class Way:
    """One way to the server."""

    name: str
    connection: asyncpg.Connection
    statement: asyncpg.prepared_stmt.PreparedStatement
    took_us: list[float] = field(default_factory=list)
    rows_per_s: list[float] = field(default_factory=list)

    async def run(self, statements: int) -> None:
        fetch, clock = self.statement.fetchval, time.perf_counter
        for number in range(statements):
            begun = clock()
            await fetch(number)
            self.took_us.append((clock() - begun) * 1e6)

    async def pour(self) -> None:
        begun = time.perf_counter()
        rows = await self.connection.fetch(
            f"SELECT n, 'some text of a row' FROM generate_series(1, {ROWS}) n"
        )
        self.rows_per_s.append(len(rows) / (time.perf_counter() - begun))

    @property
    def median_us(self) -> float:
        return statistics.median(self.took_us)


async def way(name: str, dsn: str) -> Way:
    connection = await asyncpg.connect(dsn, ssl=False)
    return Way(name, connection, await connection.prepare("SELECT $1::int"))


def relaying(pipe: Connection, upstream: tuple[str, int]) -> None:
    """Run the relays in this process: send their addresses, then wait for a message to end."""
    relays = Relays()
    links = [
        relays.open("raw", upstream=upstream),
        relays.open("observing", upstream=upstream, protocol=WireProtocol.POSTGRES),
        relays.open("holding", upstream=upstream, protocol=WireProtocol.POSTGRES),
    ]
    links[2].gate(PassAll())
    pipe.send([link.address for link in links])
    pipe.recv()
    relays.close()


@contextmanager
def relayed(upstream: tuple[str, int]) -> Iterator[list[tuple[str, int]]]:
    """The addresses of three relays: raw, observing, holding."""
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    process = spawn.Process(target=relaying, args=(theirs, upstream), daemon=True)
    process.start()
    try:
        yield ours.recv()
        ours.send("end")
        process.join(10)
    finally:
        process.kill()


async def measure(statements: int, rounds: int) -> list[Way]:
    async with postgres_server() as server:
        with relayed(server.address) as addresses:
            names = ("relay, raw", "gate, observing", "gate, holding")
            ways = [await way("straight", server.dsn())]
            ways += [await way(name, server.dsn(at)) for name, at in zip(names, addresses, strict=True)]
            for each in ways:
                await each.run(statements // 10)
                each.took_us.clear()
            for _ in range(rounds):
                for _ in range(statements // TURN):
                    for each in ways:
                        await each.run(TURN)
                for each in ways:
                    await each.pour()
            for each in ways:
                each.connection.terminate()
            return ways


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--statements", type=int, default=2000, help="a round")
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    ways = asyncio.run(measure(asked.statements, asked.rounds))
    straight, raw = ways[0].median_us, ways[1].median_us
    sys.stdout.write(
        f"{asked.rounds} rounds of {asked.statements} statements and {ROWS:,} rows, Python "
        f"{sys.version.split()[0]}\n{'':18}{'median us':>11}{'added us':>11}{'to raw':>8}{'rows/s':>13}\n"
    )
    for each in ways:
        sys.stdout.write(
            f"{each.name:18}{each.median_us:11.0f}{each.median_us - straight:11.0f}"
            f"{each.median_us / raw:8.2f}{max(each.rows_per_s):13,.0f}\n"
        )
    added = ways[2].median_us - straight
    sys.stdout.write(
        f"observing adds {added:.0f} us to a statement in the median; {ALLOWED_MEDIAN_US:.0f} are allowed\n"
    )
    return 0 if added < ALLOWED_MEDIAN_US else 1


if __name__ == "__main__":
    raise SystemExit(main())
