"""Ten isolation anomalies as races of transactions, and what PostgreSQL is published to do about each.

The anomalies are those of Adya, "Weak Consistency" (1999), and Bailis et al., "Highly Available Transactions"
(VLDB 2014). Which level prevents which is the table of Martin Kleppmann's Hermitage for PostgreSQL
(https://github.com/ept/hermitage, summary of test results). The programs are ours: two rows, 1 with 10 and 2
with 20, and a few statements each.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import asyncpg

from overbooked.interleavings.anomalies import Phenomenon

LEVELS = ("read committed", "repeatable read", "serializable")
RESET = "DELETE FROM item; INSERT INTO item VALUES (1, 10), (2, 20)"
TABLE = "CREATE TABLE item (id int PRIMARY KEY, value int NOT NULL)"

Connection = asyncpg.Connection
READ = "SELECT value FROM item WHERE id = $1"
WRITE = "UPDATE item SET value = $1 WHERE id = $2"


@dataclass
class Seen:
    """The values that one transaction has read, in order, and whether it was committed."""

    values: list[Any] = field(default_factory=list)
    committed: bool = False


class RollsBack(Exception):
    """The transaction asks for a rollback."""


Program = Callable[["Connection[Any]", Seen], Awaitable[None]]
# From the values read by the transactions and the final rows: whether the anomaly has occurred.
Occurred = Callable[[Sequence[Seen], Mapping[int, int]], bool]


@dataclass(frozen=True)
class Case:
    """An anomaly.

    Args:
        name: its name in the literature.
        programs: one per transaction.
        occurred: decides from the results whether it occurred.
        prevented: the levels that prevent it according to the publication.
        reduce: whether its steps depend on each other, so that a reduced search still has several orders.
        phenomenon: the expected name of the finding.
    """

    name: str
    programs: Sequence[Program]
    occurred: Occurred
    prevented: frozenset[str]
    phenomenon: Phenomenon | None = None
    reduce: bool = True


async def _read(connection: Connection[Any], seen: Seen, *rows: int) -> None:
    for row in rows:
        seen.values.append(await connection.fetchval(READ, row))


async def _write(connection: Connection[Any], *changes: tuple[int, int]) -> None:
    for row, value in changes:
        await connection.execute(WRITE, value, row)


def _writes(*changes: tuple[int, int]) -> Program:
    async def program(connection: Connection[Any], seen: Seen) -> None:
        await _write(connection, *changes)

    return program


def _reads(*rows: int) -> Program:
    async def program(connection: Connection[Any], seen: Seen) -> None:
        await _read(connection, seen, *rows)

    return program


def _writes_then_reads(change: tuple[int, int], row: int) -> Program:
    async def program(connection: Connection[Any], seen: Seen) -> None:
        await _write(connection, change)
        await _read(connection, seen, row)

    return program


async def _writes_and_rolls_back(connection: Connection[Any], seen: Seen) -> None:
    await _write(connection, (1, 101))
    raise RollsBack


async def _adds_one(connection: Connection[Any], seen: Seen) -> None:
    await _read(connection, seen, 1)
    await _write(connection, (1, seen.values[0] + 1))


def _reads_both_then_writes(*changes: tuple[int, int]) -> Program:
    async def program(connection: Connection[Any], seen: Seen) -> None:
        rows = await connection.fetch("SELECT id, value FROM item WHERE id IN (1, 2) ORDER BY id")
        seen.values.extend(row["value"] for row in rows)
        await _write(connection, *changes)

    return program


_THIRDS = "SELECT id FROM item WHERE value % 3 = 0 ORDER BY id"


async def _looks_twice(connection: Connection[Any], seen: Seen) -> None:
    for _ in range(2):
        seen.values.append([row["id"] for row in await connection.fetch(_THIRDS)])


async def _adds_a_row(connection: Connection[Any], seen: Seen) -> None:
    await connection.execute("INSERT INTO item VALUES ($1, $2)", 3, 30)


def _looks_then_adds(row: int, value: int) -> Program:
    async def program(connection: Connection[Any], seen: Seen) -> None:
        seen.values.extend(found["id"] for found in await connection.fetch(_THIRDS))
        await connection.execute("INSERT INTO item VALUES ($1, $2)", row, value)

    return program


def _both(seen: Sequence[Seen]) -> bool:
    return all(one.committed for one in seen)


def _vanishes(read: Sequence[int], rows: Mapping[int, int]) -> bool:
    """Whether a transaction read row 1 of the later or the earlier writer and then an older row 2."""
    order = [(10, 20), (11, 19), (12, 18)] if rows[1] == 12 else [(10, 20), (12, 18), (11, 19)]
    first, second = [one for one, _ in order], [other for _, other in order]
    return second.index(read[1]) < first.index(read[0])


_ALL, _SNAPSHOT, _SERIAL = frozenset(LEVELS), frozenset(LEVELS[1:]), frozenset(LEVELS[2:])

CASES: Sequence[Case] = (
    Case(
        "G0",
        [_writes((1, 11), (2, 21)), _writes((1, 12), (2, 22))],
        lambda seen, rows: _both(seen) and rows[1] + 10 != rows[2],
        _ALL,
    ),
    Case(
        "G1a",
        [_writes_and_rolls_back, _reads(1, 1)],
        lambda seen, rows: 101 in seen[1].values,
        _ALL,
        reduce=False,
    ),
    Case(
        "G1b",
        [_writes((1, 101), (1, 11)), _reads(1, 1)],
        lambda seen, rows: 101 in seen[1].values,
        _ALL,
    ),
    Case(
        "G1c",
        [_writes_then_reads((1, 11), 2), _writes_then_reads((2, 22), 1)],
        lambda seen, rows: _both(seen) and seen[0].values == [22] and seen[1].values == [11],
        _ALL,
    ),
    Case(
        "OTV",
        [_writes((1, 11), (2, 19)), _writes((1, 12), (2, 18)), _reads(1, 2)],
        lambda seen, rows: _both(seen) and _vanishes(seen[2].values, rows),
        _ALL,
    ),
    Case(
        "PMP",
        [_looks_twice, _adds_a_row],
        lambda seen, rows: seen[0].values == [[], [3]],
        _SNAPSHOT,
        Phenomenon.PMP,
    ),
    Case(
        "P4",
        [_adds_one, _adds_one],
        lambda seen, rows: _both(seen) and rows[1] != 12,
        _SNAPSHOT,
        Phenomenon.P4,
    ),
    Case(
        "G-single",
        [_reads(1, 2), _reads_both_then_writes((1, 12), (2, 18))],
        lambda seen, rows: tuple(seen[0].values) in {(10, 18), (12, 20)},
        _SNAPSHOT,
        Phenomenon.G_SINGLE,
    ),
    Case(
        "G2-item",
        [_reads_both_then_writes((1, 11)), _reads_both_then_writes((2, 21))],
        lambda seen, rows: _both(seen) and seen[0].values[1] == 20 and seen[1].values[0] == 10,
        _SERIAL,
        Phenomenon.G2_ITEM,
    ),
    Case(
        "G2",
        [_looks_then_adds(3, 30), _looks_then_adds(4, 42)],
        lambda seen, rows: _both(seen) and not seen[0].values and not seen[1].values,
        _SERIAL,
        Phenomenon.G2,
    ),
)
