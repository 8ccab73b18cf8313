"""Footprints of single statements: each special case of the protocol separately."""

from __future__ import annotations

from dataclasses import replace

import pytest

from overbooked.interleavings.footprints.footprints import Footprints, footprint
from overbooked.interleavings.footprints.resources import EVERYTHING, NOTHING, Footprint, touching
from overbooked.interleavings.footprints.schema_graph import ForeignKey, Function, Trigger
from overbooked.interleavings.footprints.sql import Change
from tests.interleavings.footprint_samples import SCHEMA, Client, alone, sql


@pytest.fixture
def client() -> Client:
    return Client(Footprints(SCHEMA).run())


# -- one statement ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("SELECT * FROM slots WHERE id = $1::UUID", touching(reads=["table:slots"])),
        (
            "SELECT s.id FROM public.slots AS s JOIN prices p ON p.slot_id = s.id",
            touching(reads=["table:slots", "table:prices"]),
        ),
        ("WITH s AS (SELECT 1 FROM prices) SELECT * FROM s", touching(reads=["table:prices"])),
        (
            "UPDATE slots SET taken = taken + 1 WHERE id = $1",
            touching(reads=["table:slots"], writes=["table:slots"]),
        ),
        ("SELECT 1", NOTHING),
        ("SELECT now(), lower($1), gen_random_uuid()", NOTHING),
        ("SELECT date_trunc('day', now())", NOTHING),
        ("VALUES (1)", NOTHING),
        ("SHOW transaction_isolation", NOTHING),
        ("SET LOCAL lock_timeout = '5s'", NOTHING),
        ("SAVEPOINT one", NOTHING),
        ("", NOTHING),
    ],
)
def test_a_statement_touches_its_tables(text: str, wanted: Footprint) -> None:
    assert alone(text) == wanted


@pytest.mark.parametrize(
    "text",
    [
        "SELECT pg_notify($1, $2)",
        "SELECT nextval('numbers')",
        "SELECT elsewhere.f(1)",
        "SELECT 1 FROM slots WHERE compiled(id)",
        "LOCK TABLE slots",
        "COPY slots FROM STDIN",
        "TRUNCATE slots",
        "CREATE TABLE new (id int)",
        "SELECT * INTO new FROM slots",
        "NOTIFY bookings",
        "LISTEN bookings",
        "DO $$ BEGIN NULL; END $$",
        "EXPLAIN ANALYZE DELETE FROM slots",
        "COMMIT PREPARED 'one'",
        "PREPARE TRANSACTION 'one'",
        "COMMIT AND CHAIN",
        "SET TRANSACTION SNAPSHOT 'one'",
        "SELECT * FROM nobody_knows_this_table",
        "SELECT * FROM secret",
        "SELECT FROM WHERE (",
        "SELECT 1; SELECT nextval('numbers')",
    ],
)
def test_what_is_not_understood_touches_everything(text: str) -> None:
    assert alone(text) == EVERYTHING


@pytest.mark.parametrize("lock", ["UPDATE", "NO KEY UPDATE", "SHARE", "KEY SHARE", "UPDATE OF s"])
@pytest.mark.parametrize("more", ["", " NOWAIT", " SKIP LOCKED"])
def test_a_select_that_locks_writes(lock: str, more: str) -> None:
    assert "table:slots" in alone(f"SELECT 1 FROM slots AS s FOR {lock}{more}").writes


def test_a_lock_in_a_subquery_writes() -> None:
    text = "UPDATE prices SET a = 1 WHERE id IN (SELECT id FROM slots ORDER BY id FOR UPDATE SKIP LOCKED)"
    assert alone(text).writes == {"table:prices", "table:slots"}


def test_parameters_are_not_taken_for_quotes() -> None:
    text = "INSERT INTO bookings (id, slot_id) VALUES ($1::UUID,$2) ON CONFLICT (id) DO UPDATE SET slot_id=$2"
    assert not alone(text).everything
    assert "table:bookings" in alone(text).writes


def test_a_change_inside_a_common_table_expression_writes() -> None:
    text = "WITH gone AS (DELETE FROM prices RETURNING *) INSERT INTO bookings SELECT * FROM gone"
    assert alone(text).writes == {"table:prices", "table:bookings"}


def test_merge_writes_its_target() -> None:
    text = "MERGE INTO prices p USING slots s ON p.slot_id = s.id WHEN MATCHED THEN UPDATE SET a = 1"
    assert alone(text).writes == {"table:prices"}
    assert "table:slots" in alone(text).reads


# -- indirect accesses of a table-------------------------------------------------------------------


def test_a_foreign_key_looks_at_its_parent() -> None:
    assert "table:slots" in alone("INSERT INTO bookings (slot_id) VALUES ($1)").reads


def test_deleting_a_parent_cascades_to_its_children() -> None:
    gone = alone("DELETE FROM slots")
    assert gone.writes == {"table:slots", "table:bookings"}
    assert "table:prices" in gone.reads


def test_an_update_of_other_columns_asks_no_foreign_key() -> None:
    assert alone("UPDATE bookings SET status = $1").reads == {"table:bookings"}
    assert "table:slots" in alone("UPDATE bookings SET slot_id = $1").reads
    assert "table:bookings" in alone("UPDATE slots SET id = $1").reads


@pytest.mark.parametrize(
    "text",
    ["SELECT pg_advisory_xact_lock($1)", "SELECT pg_try_advisory_lock(1)", "SELECT pg_advisory_unlock(1)"],
)
def test_locks_on_numbers_depend_on_each_other_and_on_nothing_else(text: str) -> None:
    assert alone(text) == touching(writes=["table:pg_advisory"])


def test_a_view_is_its_tables() -> None:
    assert alone("SELECT * FROM free") == touching(reads=["table:slots", "table:bookings"])


def test_what_is_locked_or_changed_through_a_view_is_its_tables() -> None:
    assert alone("SELECT 1 FROM free FOR UPDATE").writes == {"table:slots", "table:bookings"}
    assert "table:slots" in alone("UPDATE free SET id = 1").writes


def test_a_view_that_calls_what_nobody_knows_touches_everything() -> None:
    schema = replace(SCHEMA, views={"free": "SELECT pg_export_snapshot(), id FROM slots"})
    assert footprint(sql("SELECT * FROM free"), schema) == EVERYTHING


def test_what_leads_back_to_itself_comes_to_an_end() -> None:
    schema = replace(
        SCHEMA,
        tables=SCHEMA.tables | {"loop", "free"},
        views={"loop": "SELECT * FROM loop"},
        functions={"f": (Function("sql", "SELECT f()"),)},
        foreign_keys=(ForeignKey("slots", frozenset({"a"}), "slots", frozenset({"id"}), on_delete="c"),),
    )
    assert footprint(sql("SELECT f() FROM loop"), schema) == NOTHING
    assert footprint(sql("DELETE FROM slots"), schema).writes == {"table:slots"}


def test_a_change_of_what_is_closed_or_unknown_touches_everything() -> None:
    assert alone("UPDATE secret SET a = 1") == EVERYTHING
    assert alone("DELETE FROM nobody_knows_this_table") == EVERYTHING


def test_a_trigger_before_an_update_may_set_any_column() -> None:
    first = Trigger("bookings", frozenset({Change.UPDATE}), "rank", before=True)
    schema = replace(SCHEMA, triggers=(first,))
    assert "table:slots" in footprint(sql("UPDATE bookings SET status = $1"), schema).reads


def test_a_trigger_on_other_columns_is_not_fired() -> None:
    late = Trigger("prices", frozenset({Change.UPDATE}), "count_it", frozenset({"slot_id"}), deferrable=True)
    schema = replace(SCHEMA, triggers=(late,))
    assert "table:slots" not in footprint(sql("UPDATE prices SET a = 1"), schema).writes
    assert "table:slots" in footprint(sql("UPDATE prices SET slot_id = 1"), schema).writes


def test_what_a_deferred_trigger_reads_is_read_by_the_commit() -> None:
    late = Trigger("prices", frozenset({Change.INSERT}), "look", deferrable=True)
    looks = {"look": (Function("plpgsql", "BEGIN PERFORM 1 FROM audit; RETURN NULL; END"),)}
    client = Client(Footprints(replace(SCHEMA, triggers=(late,), functions=looks)).run())
    client.does("BEGIN")
    client.does("INSERT INTO prices VALUES (1)")
    assert "table:audit" in client.does("COMMIT").reads


@pytest.mark.parametrize("action", ["n", "d"])
def test_deleting_a_parent_may_set_its_children(action: str) -> None:
    key = ForeignKey("prices", frozenset({"slot_id"}), "slots", frozenset({"id"}), on_delete=action)
    schema = replace(SCHEMA, foreign_keys=(key,))
    assert "table:prices" in footprint(sql("DELETE FROM slots"), schema).writes


def test_a_function_in_a_language_that_is_not_read_touches_everything() -> None:
    assert alone("SELECT compiled(1)") == EVERYTHING


def test_a_trigger_does_what_its_function_names() -> None:
    assert "table:slots" in alone("INSERT INTO counted VALUES (1)").writes
    assert alone("UPDATE counted SET a = 1").writes == {"table:counted"}


def test_a_trigger_that_runs_text_touches_everything() -> None:
    assert alone("DELETE FROM audit") == EVERYTHING
    assert alone("INSERT INTO audit VALUES (1)") != EVERYTHING


def test_a_function_of_the_schema_touches_what_it_names() -> None:
    assert "table:slots" in alone("SELECT bump($1)").writes
    assert alone("SELECT rank(1)") == NOTHING


@pytest.mark.parametrize(
    ("body", "keys"),
    [
        ("UPDATE slots SET taken = taken - 1, version = version + 1 WHERE id = $1;", False),
        ("UPDATE public.slots AS s SET taken = 1 FROM prices WHERE true;", False),
        ("UPDATE slots SET id = $1;", True),
        ("UPDATE slots SET (taken, id) = (1, 2);", True),
        ("PERFORM 1 FROM slots WHERE id = $1 FOR NO KEY UPDATE;", False),
        ("PERFORM 1 FROM slots WHERE id = $1 FOR UPDATE;", True),
        ("INSERT INTO slots VALUES (1) ON CONFLICT (id) DO UPDATE SET taken = 1;", True),
    ],
)
def test_only_a_body_that_may_change_keys_holds_up_foreign_keys(body: str, keys: bool) -> None:
    schema = replace(SCHEMA, functions={"f": (Function("plpgsql", f"BEGIN {body} RETURN; END"),)})
    client = Client(Footprints(schema).run())
    client.does("BEGIN")
    touched = client.does("SELECT f($1)")
    assert "lock:slots" in touched.writes
    assert ("keylock:slots" in touched.writes) == keys


def test_a_body_that_only_reads_writes_nothing() -> None:
    schema = replace(SCHEMA, functions={"f": (Function("sql", "SELECT count(*) FROM slots"),)})
    assert footprint(sql("SELECT f()"), schema) == touching(reads=["table:slots"])


def test_a_partition_is_its_parent() -> None:
    assert alone("UPDATE day_1 SET a = 1").writes == {"table:days"}
