"""Verb, shape and parts of a statement, by its text alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.wire.postgres import sql


@pytest.mark.parametrize(
    ("text", "verb"),
    [
        ("select 1", "SELECT"),
        ("  -- why\n /* and /* how */ (SELECT 1)", "SELECT"),
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
    assert all(part.strip() == part for part in sql.split(text))


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("DEALLOCATE a", [b"a"]),
        ("deallocate prepare Abc", [b"abc"]),
        ('SELECT 1; DEALLOCATE "A""b"', [b'A"b']),
        ("SELECT 1", []),
    ],
)
def test_what_is_deallocated_is_read_as_the_server_does(text: str, names: list[bytes]) -> None:
    assert sql.deallocated(text) == names


def test_an_sql_prepare_names_its_statement() -> None:
    assert sql.prepared("PREPARE Get (int) AS SELECT $1") == (b"get", "SELECT $1")
    assert sql.prepared("SELECT 1") is None
