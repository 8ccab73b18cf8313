"""Streams of messages, some of them spoiled, to a real server: the gate that holds gets the same answers."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable
from random import Random

import asyncpg
import pytest

from overbooked.wire.gate.boundary import WireProtocol
from overbooked.wire.relay import Relays
from tests.wire.ordering_keeper import Ordering
from tests.wire.postgres.client import EXECUTE, FLUSH, SYNC, bind, describe, m, parse, query
from tests.wire.postgres.server import PostgresServer
from tests.wire.raw_client import RawClient
from tests.wire.recorded_talks import mutated
from tests.wire.watching_keeper import DEADLINE_S, Watching, late

STREAMS = 60
WORKERS = 6
QUIET_S = 0.05
LATE_S = 0.001
RUN = bind() + EXECUTE
COPY, WRONG = m("d", b"1\n"), m("d", b"x\n")
PIECES = (
    *(query(text) for text in ("SELECT 1", "BEGIN", "COMMIT", "ROLLBACK", "", "SELECT 1/0")),
    *(
        query(text)
        for text in ("INSERT INTO said VALUES (1); SELECT 1/0", "INSERT INTO said VALUES (5); SELECT 2")
    ),
    *(
        query("COPY said FROM STDIN") + data
        for data in (COPY + m("c"), WRONG + m("c"), COPY + m("f", b"no\0"))
    ),
    query("COPY (SELECT 1) TO STDOUT"),
    *(parse(text) + RUN + SYNC for text in ("SELECT 1", "SELECT 1/0", "bad", "INSERT INTO said VALUES (2)")),
    *(parse(text) + RUN for text in ("SELECT 1", "SELECT 1/0")),
    parse("SELECT 1") + RUN + FLUSH,
    parse("SELECT $1::int", "s1") + describe("s1") + SYNC,
    *(bind("s1", value) + EXECUTE + SYNC for value in (b"5", b"z")),
    m("C", b"Ss1\0") + SYNC,
    *(parse("COPY said FROM STDIN") + RUN + SYNC + data + m("c") + SYNC for data in (COPY, WRONG)),
    parse("COPY said FROM STDIN") + RUN + FLUSH + WRONG + m("c") + SYNC,
    parse("INSERT INTO said VALUES (3)") + RUN + parse("SELECT 1/0") + RUN + SYNC,
    *(SYNC, FLUSH, EXECUTE + SYNC, EXECUTE, parse("SELECT 3"), m("c"), m("d", b"x"), m("X")),
)


def _stream(chance: Random) -> list[bytes]:
    """What a client says, cut as it may be read."""
    data = b"".join(chance.choices(PIECES, k=chance.randint(1, 6)))
    if chance.random() < 0.3:
        data = mutated(chance, data, WireProtocol.POSTGRES)
    size = chance.choice([len(data), 30, 7]) or 1
    return [data[at : at + size] for at in range(0, len(data), size)]


def _told(kind: str, body: bytes) -> str:
    fields = {field[:1]: field[1:].decode("utf-8", "replace") for field in body.split(b"\0") if field}
    return {"E": "error " + fields.get(b"C", ""), "Z": f"ready {body!r}"}.get(kind, kind)


async def _answers(address: tuple[str, int], said: list[bytes], wanted: int) -> list[str]:
    """The messages that come until it is quiet; at least so many are waited for."""
    client = await RawClient.connect(address)
    found: list[str] = []
    try:
        for piece in said:
            client.writer.write(piece)
            await client.writer.drain()
        while True:
            async with asyncio.timeout(QUIET_S if len(found) >= wanted else DEADLINE_S):
                kind, size = struct.unpack(">cI", await client.reader.readexactly(5))
                body = await client.reader.readexactly(size - 4)
            if kind not in {b"N", b"S", b"A"}:
                found.append(_told(kind.decode(), body))
    except TimeoutError:
        pass
    except (asyncio.IncompleteReadError, OSError):
        found.append("end")
    finally:
        client.writer.transport.abort()
    return found


@pytest.mark.parametrize("keeps", [Watching, Ordering], ids=["late", "late, commits apart"])
async def test_the_answers_are_the_same_with_and_without_the_gate(
    postgres: PostgresServer, keeps: Callable[..., Watching]
) -> None:
    direct = await asyncpg.connect(postgres.dsn(), ssl=False)
    await direct.execute("DROP TABLE IF EXISTS said; CREATE TABLE said (n int); GRANT ALL ON said TO hashed")
    relays = Relays()
    asked = 0

    async def some(worker: int) -> None:
        nonlocal asked
        for seed in range(worker, STREAMS, WORKERS):
            said = _stream(Random(seed))
            without = await _answers(postgres.address, said, 0)
            link = relays.open(f"link {seed}", upstream=postgres.address, protocol=WireProtocol.POSTGRES)
            keeper = keeps(**late(LATE_S))
            link.gate(keeper)
            through = await _answers(link.address, said, len(without))
            if not link.troubles():
                # It may get more: the gate has the server flush what a client did not ask for, and a server
                # that resets a connection takes its last answers with it.
                told = [one for one in without if one != "end"]
                assert through[: len(told)] == told, (seed, b"".join(said))
            asked += len(keeper.asked)

    try:
        async with asyncio.TaskGroup() as group:
            for worker in range(WORKERS):
                group.create_task(some(worker))
    finally:
        relays.close()
        await direct.execute("DROP TABLE said")
        await direct.close()
    assert asked > STREAMS
