"""Verb, shape and parts of a statement, by its text alone."""

from __future__ import annotations

import asyncio
import random

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from overbooked.wire.postgres import sql
from tests.wire.postgres.server import PostgresServer

ATOMIC = (
    "CREATE OR REPLACE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT CASE WHEN true THEN 2 END; END"
)


@pytest.mark.parametrize(
    ("text", "verb"),
    [
        ("select 1", "SELECT"),
        ("  -- why\n /* and /* how */ so */ (SELECT 1)", "SELECT"),
        ("/* a /* b */ ; COMMIT */ SELECT 1", "SELECT"),
        ("/* it has no end /* of */ COMMIT", ""),
        ("--/*\nDELETE FROM a --*/", "DELETE"),
        ("START TRANSACTION ISOLATION LEVEL SERIALIZABLE", "BEGIN"),
        ("END", "COMMIT"),
        ("abort", "ROLLBACK"),
        ("ROLLBACK WORK", "ROLLBACK"),
        ("ROLLBACK TO SAVEPOINT a", "ROLLBACK TO"),
        ("ROLLBACK WORK TO a", "ROLLBACK TO"),
        ("PREPARE TRANSACTION 'x'", "PREPARE TRANSACTION"),
        ("PREPARE x AS SELECT 1", "PREPARE"),
        ("WITH a AS (SELECT 1) DELETE FROM b", "WITH"),
        ("", ""),
        ("-- only this", ""),
        ("?", "?"),
    ],
)
def test_a_verb_is_the_first_word_that_says_something(text: str, verb: str) -> None:
    assert sql.verb(text) == verb


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("SELECT * FROM slots WHERE id = 5", "SELECT  *\n FROM slots WHERE id = 71"),
        ("INSERT INTO t VALUES ('it''s', 1.5e3)", "INSERT INTO t VALUES (E'\\'x', .7)"),
        ("SELECT $tag$ a 'b' $tag$", "SELECT $$5$$"),
        ("SELECT 1 /* trace 4f2a */", "SELECT 2 -- trace 77"),
        ("SELECT 1 WHERE a IN ($1, $2, $3)", "SELECT 1 WHERE a IN ($1, $2)"),
        ("SELECT 1 WHERE a IN ($1::UUID, $2::UUID)", "SELECT 1 WHERE a IN ($1::UUID, $2::UUID, $3::UUID)"),
        ("SELECT 1 WHERE a IN (1, 2)", "SELECT 1 WHERE a IN (3, 4, 5)"),
        ("INSERT INTO t VALUES (1, 2), (3, 4)", "INSERT INTO t VALUES (1, 2), (3, 4), (5, 6)"),
        ("SAVEPOINT sa_savepoint_1", "SAVEPOINT sa_savepoint_12"),
        ("RELEASE SAVEPOINT sa_savepoint_1", "RELEASE SAVEPOINT sa_savepoint_2"),
        ("ROLLBACK TO SAVEPOINT a1", "ROLLBACK TO SAVEPOINT b2"),
    ],
)
def test_one_line_of_code_has_one_shape(one: str, other: str) -> None:
    assert sql.shape(one) == sql.shape(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("SELECT a1 FROM t", "SELECT a2 FROM t"),
        ('SELECT "1" FROM t', 'SELECT "2" FROM t'),
        ("SELECT $1 FROM t", "SELECT $2 FROM t"),
        ("INSERT INTO t VALUES ($1)", "INSERT INTO t VALUES ($1, $2)"),
        ("SELECT 1 FROM a", "SELECT 1 FROM b"),
    ],
)
def test_other_code_has_another_shape(one: str, other: str) -> None:
    assert sql.shape(one) != sql.shape(other)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("SELECT 1", ("SELECT 1",)),
        ("SELECT 1;", ("SELECT 1",)),
        ("BEGIN; SELECT ';' ; COMMIT", ("BEGIN", "SELECT ';'", "COMMIT")),
        ("SELECT $$a;b$$; /* ; */ SELECT 2", ("SELECT $$a;b$$", "/* ; */ SELECT 2")),
        (" ; -- nothing; really\n;", ()),
        ("/* a /* b */ ; COMMIT */ SELECT 1; SELECT 2", ("/* a /* b */ ; COMMIT */ SELECT 1", "SELECT 2")),
        (
            "SELECT 'a'';' ; SELECT E'\\';' ; SELECT U&'\\0041;'",
            ("SELECT 'a'';'", "SELECT E'\\';'", "SELECT U&'\\0041;'"),
        ),
        ('SELECT "a;""b;" ; SELECT 2', ('SELECT "a;""b;"', "SELECT 2")),
        (
            "SELECT $a$ $b$ ; $b$ ; $a$; SELECT a$b$; SELECT 1",
            ("SELECT $a$ $b$ ; $b$ ; $a$", "SELECT a$b$", "SELECT 1"),
        ),
        ("SELECT 'no end'' ; COMMIT", ("SELECT 'no end'' ; COMMIT",)),
        (
            "CREATE RULE r AS ON INSERT TO a DO (DELETE FROM b; DELETE FROM c); SELECT 1",
            ("CREATE RULE r AS ON INSERT TO a DO (DELETE FROM b; DELETE FROM c)", "SELECT 1"),
        ),
        (
            ATOMIC + "; SELECT 3",
            (
                ATOMIC,
                "SELECT 3",
            ),
        ),
        ("SELECT 1 AS create; BEGIN; COMMIT", ("SELECT 1 AS create", "BEGIN", "COMMIT")),
        ("SELECT 5 */*;*/ 6; SELECT 1", ("SELECT 5 */*;*/ 6", "SELECT 1")),
        ("", ()),
    ],
)
def test_statements_are_parted_at_the_semicolons_between_them(text: str, parts: tuple[str, ...]) -> None:
    assert sql.split(text) == parts


def test_a_statement_of_megabytes_is_shaped_by_its_beginning() -> None:
    text = "INSERT INTO t VALUES " + ", ".join(f"({n}, 'x')" for n in range(200_000))
    assert sql.shape(text).startswith("INSERT INTO t VALUES (?, ?), ...")


@given(st.text(max_size=300))
def test_any_text_has_a_verb_a_shape_and_parts(text: str) -> None:
    sql.verb(text)
    assert sql.shape(text) == sql.shape(text)
    assert all(part.strip(sql.SPACES) == part for part in sql.split(text))


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("DEALLOCATE a", [b"a"]),
        ("deallocate prepare Abc", [b"abc"]),
        ('SELECT 1; DEALLOCATE "A""b"', [b'A"b']),
        ("DEALLOCATE /* not DEALLOCATE b */ a", [b"a"]),
        ("SELECT 1", []),
    ],
)
def test_what_is_deallocated_is_read_as_the_server_does(text: str, names: list[bytes]) -> None:
    assert sql.deallocated(text) == names


def test_an_sql_prepare_names_its_statement() -> None:
    assert sql.prepared("PREPARE Get (int) AS SELECT $1") == (b"get", "SELECT $1")
    assert sql.prepared("SELECT 1") is None


STATEMENTS = (
    "SELECT 1",
    "SELECT 'a'",
    "(SELECT 3)",
    "SELECT $a$;$$;$a$",
    "SELECT E'\\';'",
    "SELECT 1 AS a$b$",
)
BETWEEN = (
    *(";", ";", ";", "\n", "\r", " ", "--", "/*", "*/", "-- ;\n", "-- ;\r", "/* a /* ; */ ; */", "--/*\n"),
    *("'", "''", '"', "$a$", "$$", " U&'\\0041;'", ' AS "a;"', "/*;*/"),
)


async def test_statements_are_parted_as_the_server_parts_them(postgres: PostgresServer) -> None:
    """Texts put together at random: where the server runs them, it runs as many as we say."""
    chance = random.Random(9)
    texts = []
    for _ in range(3000):
        pieces: list[str] = []
        for _ in range(chance.randint(1, 4)):
            pieces += [chance.choice(STATEMENTS), *chance.choices(BETWEEN, k=chance.randint(1, 2))]
        texts.append("".join(pieces))

    def run() -> int:
        ran = 0
        with psycopg.connect(postgres.dsn(), autocommit=True) as connection:
            pgconn = connection.pgconn
            for text in texts:
                pgconn.send_query(text.encode())
                results = []
                while result := pgconn.get_result():
                    results.append(result.status)
                if psycopg.pq.ExecStatus.FATAL_ERROR not in results:
                    done = [one for one in results if one != psycopg.pq.ExecStatus.EMPTY_QUERY]
                    assert len(sql.split(text)) == len(done), text
                    ran += bool(done)
        return ran

    assert await asyncio.to_thread(run) > 200
