"""Autocommit statements whose commit is a boundary of its own: the client notices nothing of it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg
import pytest

from overbooked.wire.link import RelayLink
from tests.wire.ordering_keeper import Ordering, order
from tests.wire.postgres.client import (
    EXECUTE,
    FLUSH,
    SYNC,
    bind,
    describe,
    m,
    parse,
    query,
)
from tests.wire.postgres.server import PostgresServer
from tests.wire.raw_client import RawClient
from tests.wire.watching_keeper import keep

SCHEMA = """
CREATE SCHEMA commits AUTHORIZATION hashed;
ALTER ROLE hashed SET search_path = commits;
SET ROLE hashed;
SET search_path = commits;
CREATE TABLE commits.t (n int UNIQUE DEFERRABLE INITIALLY DEFERRED, word text);
CREATE PROCEDURE commits.halves() LANGUAGE plpgsql AS
    $$ BEGIN INSERT INTO t VALUES (50); COMMIT; INSERT INTO t VALUES (51); END $$;
CREATE PROCEDURE commits.quietly() LANGUAGE plpgsql AS $$ BEGIN INSERT INTO t VALUES (60); END $$;
CREATE FUNCTION commits.adds(n int) RETURNS int LANGUAGE sql AS
    $$ INSERT INTO t VALUES (n) RETURNING n $$;
RESET ROLE;
RESET search_path;
"""


RESET = "TRUNCATE commits.t; INSERT INTO commits.t VALUES (1, 'one')"


def simple(*texts: str) -> bytes:
    return b"".join(query(text) for text in texts)


def extended(*texts: str, ends: bytes = SYNC) -> bytes:
    return b"".join(parse(text) + bind() + m("D", b"P\0") + EXECUTE for text in texts) + ends


# What a client sends, how many ReadyForQuery it waits for, and the boundaries that come of it.
CASES: dict[str, tuple[bytes, int, list[str]]] = {
    "one statement": (
        simple("INSERT INTO t VALUES (2)"),
        1,
        ["INSERT INTO t VALUES (?)", "COMMIT (Query)"],
    ),
    "one that returns rows": (
        simple("INSERT INTO t VALUES (2), (3) RETURNING n, word"),
        1,
        ["INSERT INTO t VALUES (?), ... RETURNING n, word", "COMMIT (Query)"],
    ),
    "several statements": (
        simple("SELECT 1; INSERT INTO t VALUES (2) RETURNING n; SELECT 3; UPDATE t SET word = 'x'"),
        1,
        [
            "SELECT ?; INSERT INTO t VALUES (?) RETURNING n; SELECT ?; UPDATE t SET word = ?",
            "COMMIT (Query)",
        ],
    ),
    "a statement that fails": (simple("INSERT INTO t VALUES ('x')"), 1, ["INSERT INTO t VALUES (?)"]),
    "the second of two that fails": (
        simple("INSERT INTO t VALUES (2); SELECT 1 / 0"),
        1,
        ["INSERT INTO t VALUES (?); SELECT ? / ?"],
    ),
    "no SQL": (simple("INSERT INTO INTO t"), 1, ["INSERT INTO INTO t"]),
    "a deferred constraint": (
        simple("INSERT INTO t VALUES (1) RETURNING n"),
        1,
        ["INSERT INTO t VALUES (?) RETURNING n", "COMMIT (Query)"],
    ),
    "a deferred constraint after two statements": (
        simple("SELECT 1; INSERT INTO t VALUES (1)"),
        1,
        ["SELECT ?; INSERT INTO t VALUES (?)", "COMMIT (Query)"],
    ),
    "a transaction in one query": (
        simple("BEGIN; INSERT INTO t VALUES (2); COMMIT"),
        1,
        ["BEGIN; INSERT INTO t VALUES (?)", "COMMIT (Query)"],
    ),
    "a transaction in one query that fails": (
        simple("BEGIN; SELECT 1 / 0; COMMIT", "ROLLBACK"),
        2,
        ["BEGIN; SELECT ? / ?", "ROLLBACK"],
    ),
    "a transaction in one query with a deferred constraint": (
        simple("BEGIN; INSERT INTO t VALUES (1); commit work; "),
        1,
        ["BEGIN; INSERT INTO t VALUES (?)", "COMMIT (Query)"],
    ),
    "a transaction by three queries": (
        simple("BEGIN", "INSERT INTO t VALUES (2)", "COMMIT"),
        3,
        ["BEGIN", "INSERT INTO t VALUES (?)", "COMMIT"],
    ),
    "a function called by SELECT": (simple("SELECT adds(2)"), 1, ["SELECT adds(?)", "COMMIT (Query)"]),
    "a data-modifying CTE": (
        simple("WITH gone AS (DELETE FROM t RETURNING n) SELECT * FROM gone"),
        1,
        ["WITH gone AS (DELETE FROM t RETURNING n) SELECT * FROM gone", "COMMIT (Query)"],
    ),
    "a new table": (
        simple("CREATE TABLE fresh (n int); DROP TABLE fresh"),
        1,
        ["CREATE TABLE fresh (n int); DROP TABLE fresh", "COMMIT (Query)"],
    ),
    "what only runs outside": (simple("VACUUM t"), 1, ["VACUUM t"]),
    "a procedure that commits": (simple("CALL halves()"), 1, ["CALL halves()"]),
    "a procedure that is known to commit nothing": (
        simple("CALL quietly()"),
        1,
        ["CALL quietly()", "COMMIT (Query)"],
    ),
    "a block that commits": (simple("DO $$ BEGIN COMMIT; END $$"), 1, ["DO ?"]),
    "LOCK TABLE outside": (simple("LOCK TABLE t"), 1, ["LOCK TABLE t"]),
    "a savepoint outside": (simple("SAVEPOINT one"), 1, ["SAVEPOINT ?"]),
    "a setting": (simple("SET application_name = 'me'"), 1, ["SET application_name = ?"]),
    "rows copied out": (
        simple("COPY t TO STDOUT"),
        1,
        ["COPY t TO STDOUT", "COMMIT (Query)"],
    ),
    "extended": (
        extended("INSERT INTO t VALUES (2) RETURNING n"),
        1,
        ["INSERT INTO t VALUES (?) RETURNING n", "COMMIT (Sync)"],
    ),
    "extended, and it fails": (
        extended("INSERT INTO t VALUES ('x')"),
        1,
        ["INSERT INTO t VALUES (?)"],
    ),
    "extended, two statements": (
        extended("INSERT INTO t VALUES (2)", "INSERT INTO t VALUES (3)"),
        1,
        ["INSERT INTO t VALUES (?)", "COMMIT (Sync)"],
    ),
    "extended, the second fails": (
        extended("INSERT INTO t VALUES (2)", "SELECT 1 / 0"),
        1,
        ["INSERT INTO t VALUES (?); SELECT ? / ?"],
    ),
    "extended, a deferred constraint": (
        extended("INSERT INTO t VALUES (1)"),
        1,
        ["INSERT INTO t VALUES (?)", "COMMIT (Sync)"],
    ),
    "extended, several Syncs at once": (
        extended("INSERT INTO t VALUES (2)") + extended("SELECT 1") + extended("INSERT INTO t VALUES (3)"),
        3,
        [
            "INSERT INTO t VALUES (?)",
            "COMMIT (Sync)",
            "SELECT ?",
            "COMMIT (Sync)",
            "INSERT INTO t VALUES (?)",
            "COMMIT (Sync)",
        ],
    ),
    "extended, flushed by the client": (
        extended("INSERT INTO t VALUES (2)", ends=FLUSH) + SYNC,
        1,
        ["INSERT INTO t VALUES (?)", "COMMIT (Sync)"],
    ),
    "extended, flushed once and then Sync": (
        extended("INSERT INTO t VALUES (2)", ends=FLUSH) + extended("INSERT INTO t VALUES (3)"),
        1,
        ["INSERT INTO t VALUES (?)", "INSERT INTO t VALUES (?)", "COMMIT (Sync)"],
    ),
    "extended, a whole transaction in a pipeline": (
        extended("BEGIN", "INSERT INTO t VALUES (2)", "COMMIT"),
        1,
        ["BEGIN; INSERT INTO t VALUES (?)", "COMMIT"],
    ),
    "extended, a whole transaction in a pipeline that fails": (
        extended("BEGIN", "SELECT 1 / 0", "COMMIT") + query("ROLLBACK"),
        2,
        ["BEGIN; SELECT ? / ?", "ROLLBACK"],
    ),
    "extended, within a transaction": (
        query("BEGIN") + extended("INSERT INTO t VALUES (2)") + query("COMMIT"),
        3,
        ["BEGIN", "INSERT INTO t VALUES (?)", "COMMIT"],
    ),
    "extended, what only runs outside": (extended("VACUUM t"), 1, ["VACUUM t", "COMMIT (Sync)"]),
    "extended, a procedure that commits": (
        extended("CALL halves()"),
        1,
        ["CALL halves()", "COMMIT (Sync)"],
    ),
    "extended, prepared before": (
        parse("INSERT INTO t VALUES (2)", "s1") + describe("s1") + SYNC + bind("s1") + EXECUTE + SYNC,
        2,
        ["INSERT INTO t VALUES (?)", "COMMIT (Sync)"],
    ),
    "extended, rows copied in": (
        extended("COPY t FROM STDIN") + m("d", b"7\tseven\n") + m("c") + SYNC,
        1,
        ["COPY t FROM STDIN", "COPY t FROM STDIN (end of data)", "COMMIT (Sync)"],
    ),
    "extended, wrong rows copied in": (
        extended("COPY t FROM STDIN") + m("d", b"x\tseven\n") + m("c") + SYNC,
        1,
        ["COPY t FROM STDIN", "COPY t FROM STDIN (end of data)"],
    ),
    "rows copied in": (
        simple("COPY t FROM STDIN") + m("d", b"7\tseven\n") + m("c"),
        1,
        ["COPY t FROM STDIN", "COPY t FROM STDIN (end of data)"],
    ),
    "an empty query": (simple(""), 1, []),
}


@pytest.fixture
async def direct(postgres: PostgresServer) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(postgres.dsn(), ssl=False)
    if not await connection.fetchval("SELECT to_regnamespace('commits')"):
        await connection.execute(SCHEMA)
    await connection.execute(RESET)
    yield connection
    connection.terminate()


async def played(
    direct: asyncpg.Connection, address: tuple[str, int], case: str
) -> tuple[list[tuple[str, bytes]], list[tuple[object, ...]]]:
    asks, readies, _ = CASES[case]
    await direct.execute(RESET)
    client = await RawClient.connect(address)
    said = await client.said(asks, readies)
    said += await client.said(query("SELECT 'next'"))
    await client.close()
    return said, [tuple(row) for row in await direct.fetch("SELECT * FROM commits.t ORDER BY n, word")]


@pytest.mark.parametrize("case", CASES)
async def test_the_client_gets_what_it_gets_without_a_gate(
    postgres: PostgresServer, gated: RelayLink, direct: asyncpg.Connection, case: str
) -> None:
    wanted = await played(direct, postgres.address, case)
    keeper = order(gated)
    assert await played(direct, gated.address, case) == wanted
    await keeper.until(lambda: "TERMINATE" in keeper.verbs)
    ends = [*CASES[case][2], "SELECT ?", "COMMIT (Query)", "TERMINATE"]
    assert [one.shape for one in keeper.boundaries] == ends
    assert not keeper.troubles


async def test_nobody_sees_a_statement_before_its_commit_goes(
    gated: RelayLink, direct: asyncpg.Connection
) -> None:
    for asks in (simple("INSERT INTO t VALUES (2)"), extended("INSERT INTO t VALUES (2)")):
        await direct.execute(RESET)
        keeper = order(gated, on_ask=lambda held: keep(held) if held.boundary.verb == "COMMIT" else held.go())
        client = await RawClient.connect(gated.address)
        client.writer.write(asks)
        held = await keeper.held("COMMIT")
        assert held.boundary.in_transaction
        assert [(one.summary, one.in_transaction) for one in keeper.replies] == [("INSERT 0 1", True)]
        assert await direct.fetchval("SELECT count(*) FROM commits.t") == 1
        gated.call(held.go)
        while (await client.message())[0] != "Z":
            pass
        assert await direct.fetchval("SELECT count(*) FROM commits.t") == 2
        assert not keeper.replies[-1].in_transaction
        gated.gate(None)
        await client.close()


async def test_a_keeper_that_goes_leaves_nothing_uncommitted(
    gated: RelayLink, direct: asyncpg.Connection
) -> None:
    for verb in ("INSERT", "COMMIT"):
        for asks in (simple("INSERT INTO t VALUES (2)"), extended("INSERT INTO t VALUES (2)")):
            await direct.execute(RESET)
            keeper = order(gated, on_ask=lambda held, verb=verb: _go_unless(held, verb))
            client = await RawClient.connect(gated.address)
            client.writer.write(asks)
            await keeper.held(verb)
            gated.gate(None)
            said = [await client.message()]
            while said[-1][0] != "Z":
                said.append(await client.message())
            assert said[-2:] == [("C", b"INSERT 0 1\0"), ("Z", b"I")]
            assert await direct.fetchval("SELECT count(*) FROM commits.t") == 2
            await client.close()


def _go_unless(held: object, verb: str) -> None:
    if held.boundary.verb != verb:  # type: ignore[attr-defined]
        held.go()  # type: ignore[attr-defined]


async def test_what_runs_outside_a_transaction_only_is_named(
    gated: RelayLink, direct: asyncpg.Connection
) -> None:
    await direct.execute(RESET)
    keeper = order(gated)
    client = await RawClient.connect(gated.address)
    await client.said(simple("VACUUM t"))
    assert "transaction block" in keeper.boundaries[0].unsplit
    assert not keeper.boundaries[0].commits_apart


async def test_a_keeper_decides_which_commits_come_apart(
    gated: RelayLink, direct: asyncpg.Connection
) -> None:
    await direct.execute(RESET)
    keeper = Ordering(parts=lambda boundary: boundary.verb == "INSERT")
    gated.gate(keeper)
    client = await RawClient.connect(gated.address)
    await client.said(simple("SELECT 1") + extended("SELECT 1") + simple("INSERT INTO t VALUES (2)"), 3)
    assert keeper.verbs == ["SELECT", "SELECT", "INSERT", "COMMIT"]


@pytest.mark.parametrize("politely", [True, False])
async def test_the_end_of_a_session_waits_and_then_frees_what_it_held(
    gated: RelayLink, direct: asyncpg.Connection, politely: bool
) -> None:
    keeper = order(gated, on_ask=lambda held: _go_unless(held, "TERMINATE"))
    client = await RawClient.connect(gated.address)
    await client.said(simple("SELECT pg_advisory_lock(77)"))
    if politely:
        client.writer.write(m("X"))
    await client.close()
    held = await keeper.held("TERMINATE")
    assert not await direct.fetchval("SELECT pg_try_advisory_lock(77)")
    replies = len(keeper.replies)
    gated.call(held.go)
    await keeper.until(lambda: len(keeper.replies) > replies)
    assert await direct.fetchval("SELECT pg_try_advisory_lock(77)")
    await keeper.until(lambda: bool(keeper.closings))
    assert keeper.closings == [None]
