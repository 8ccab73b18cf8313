"""Footprints of statements within transactions."""

from __future__ import annotations

import pytest

from overbooked.interleavings.footprints.footprints import Footprints, SchemaGraph, dependent
from overbooked.interleavings.footprints.resources import EVERYTHING, NOTHING, touching
from overbooked.interleavings.footprints.sql import Isolation
from overbooked.wire.gate.boundary import Boundary, Reply, WireProtocol
from tests.interleavings.footprint_samples import SCHEMA, Client, alone, http, sql


@pytest.fixture
def client() -> Client:
    return Client(Footprints(SCHEMA).run())


# -- transactions ----------------------------------------------------------------------------------


def test_begin_at_read_committed_depends_on_nothing(client: Client) -> None:
    assert client.does("BEGIN") == NOTHING
    assert not dependent(NOTHING, EVERYTHING)


def test_a_commit_alone_may_be_of_anything() -> None:
    assert alone("COMMIT") == EVERYTHING


def test_a_commit_inherits_what_its_transaction_did(client: Client) -> None:
    client.does("BEGIN")
    client.does("UPDATE slots SET taken = 1")
    client.does("SELECT 1 FROM prices FOR UPDATE")
    commit = client.does("COMMIT")
    assert {"table:slots", "lock:slots", "lock:prices"} <= commit.writes
    assert "table:prices" not in commit.writes
    client.does("BEGIN")
    assert client.does("COMMIT") == NOTHING


def test_a_transaction_that_only_read_commits_nothing(client: Client) -> None:
    client.does("BEGIN")
    client.does("SELECT * FROM slots")
    assert client.does("COMMIT") == NOTHING


def test_a_change_is_seen_by_readers_when_it_commits_and_not_before(client: Client) -> None:
    reads = Client(client.run, 2).does("SELECT * FROM slots")
    client.does("BEGIN")
    assert not dependent(client.does("UPDATE slots SET taken = 1"), reads)
    assert dependent(client.does("COMMIT"), reads)


def test_a_change_outside_a_transaction_is_seen_at_once(client: Client) -> None:
    reads = Client(client.run, 2).does("SELECT * FROM slots")
    assert dependent(client.does("UPDATE slots SET taken = 1"), reads)


def test_two_changes_of_one_table_wait_for_each_other(client: Client) -> None:
    other = Client(client.run, 2)
    client.does("BEGIN")
    other.does("BEGIN")
    assert dependent(client.does("UPDATE slots SET taken = 1"), other.does("UPDATE slots SET taken = 2"))
    assert dependent(
        client.does("SELECT 1 FROM slots FOR UPDATE"), other.does("SELECT 1 FROM slots FOR SHARE")
    )


def test_a_rollback_frees_locks_and_shows_nothing(client: Client) -> None:
    other = Client(client.run, 2)
    client.does("BEGIN")
    client.does("UPDATE slots SET taken = 1")
    back = client.does("ROLLBACK")
    assert dependent(back, other.does("UPDATE slots SET taken = 2"))
    assert not dependent(back, other.does("SELECT * FROM slots"))


def test_begin_within_a_transaction_begins_nothing(client: Client) -> None:
    client.does("BEGIN")
    client.does("UPDATE slots SET taken = 1")
    client.does("BEGIN")
    assert "lock:slots" in client.does("COMMIT").writes


def test_a_transaction_that_ended_unseen_holds_nothing(client: Client) -> None:
    client.does("BEGIN")
    client.does("UPDATE slots SET taken = 1")
    client.open = False
    client.does("SELECT 1")
    assert client.holds == NOTHING


def test_the_answer_of_another_protocol_adds_nothing() -> None:
    run = Footprints(SCHEMA).run()
    run.let_go(http("POST"))
    assert run.answered(http("POST"), Reply("500", "500")) == NOTHING
    assert run.answered(sql("SELECT 1"), None) == NOTHING


def test_what_goes_back_to_a_savepoint_frees_locks(client: Client) -> None:
    client.does("BEGIN")
    client.does("UPDATE slots SET taken = 1")
    assert "lock:slots" in client.does("ROLLBACK TO SAVEPOINT one").writes
    assert "lock:slots" in client.does("COMMIT").writes


def test_a_foreign_key_waits_for_who_may_take_its_row_away_and_for_nobody_else(client: Client) -> None:
    other = Client(client.run, 2)
    for one in (client, other):
        one.does("BEGIN")
    books = other.does("INSERT INTO bookings (slot_id) VALUES ($1)")
    assert dependent(client.does("SELECT 1 FROM slots FOR UPDATE"), books)
    assert dependent(client.does("DELETE FROM slots"), books)
    assert not dependent(client.does("SELECT 1 FROM slots FOR NO KEY UPDATE"), books)
    assert not dependent(client.does("UPDATE slots SET taken = 1"), books)
    assert dependent(client.does("COMMIT"), books)


def test_the_commit_of_a_child_frees_its_parent(client: Client) -> None:
    other = Client(client.run, 2)
    client.does("BEGIN")
    client.does("INSERT INTO bookings (slot_id) VALUES ($1)")
    assert dependent(client.does("COMMIT"), other.does("DELETE FROM slots"))


def test_what_a_transaction_holds_is_told_before_its_next_step(client: Client) -> None:
    client.does("BEGIN")
    assert client.holds == NOTHING
    client.does("UPDATE slots SET taken = 1")
    assert client.holds == NOTHING
    client.does("SELECT 1")
    assert "lock:slots" in client.holds.writes


def test_a_statement_that_fails_frees_what_its_transaction_held(client: Client) -> None:
    client.does("BEGIN")
    client.does("UPDATE slots SET taken = 1")
    client.does("INSERT INTO prices VALUES (1)", error="23505")
    assert {"lock:slots", "lock:prices"} <= client.effects.writes
    client.does("ROLLBACK")
    client.does("SELECT 1", error="42P01")
    assert client.effects == NOTHING


def test_a_transaction_begun_before_anybody_looked_may_hold_anything() -> None:
    client = Client(Footprints(SCHEMA).run())
    client.open = True
    client.does("SELECT * FROM slots")
    assert client.holds == EVERYTHING
    assert client.does("COMMIT") == EVERYTHING


def test_a_commit_by_sync_inherits_what_went_before_it(client: Client) -> None:
    client.does("UPDATE slots SET taken = 1")
    assert "lock:slots" in client.does("COMMIT").writes


def test_several_statements_in_one_message_touch_what_each_does(client: Client) -> None:
    boundary = Boundary(
        "app->postgres",
        WireProtocol.POSTGRES,
        1,
        1,
        "BEGIN",
        "",
        "",
        statements=("BEGIN", "UPDATE slots SET taken = 1", "COMMIT"),
    )
    assert {"table:slots", "lock:slots"} <= client.run.let_go(boundary).footprint.writes


def test_the_first_statement_of_repeatable_read_depends_on_every_commit(client: Client) -> None:
    other = Client(client.run, 2)
    other.does("BEGIN")
    other.does("INSERT INTO prices VALUES (1)")
    commit = other.does("COMMIT")
    assert client.does("BEGIN ISOLATION LEVEL REPEATABLE READ") == NOTHING
    assert dependent(client.does("SELECT * FROM slots"), commit)
    assert not dependent(client.does("SELECT * FROM slots"), commit)
    assert dependent(client.does("SELECT * FROM prices"), commit)


def test_commits_of_different_tables_do_not_depend_on_each_other(client: Client) -> None:
    other = Client(client.run, 2)
    for one, table in ((client, "slots"), (other, "audit")):
        one.does("BEGIN")
        one.does(f"UPDATE {table} SET a = 1")
    assert not dependent(client.does("COMMIT"), other.does("COMMIT"))


@pytest.mark.parametrize(
    "begin",
    [
        ("BEGIN ISOLATION LEVEL SERIALIZABLE",),
        ("START TRANSACTION ISOLATION LEVEL SERIALIZABLE",),
        ("BEGIN", "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE"),
        ("SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL SERIALIZABLE", "BEGIN"),
        ("SET default_transaction_isolation TO 'serializable'", "BEGIN"),
    ],
)
def test_serializable_depends_on_everything(client: Client, begin: tuple[str, ...]) -> None:
    for text in begin:
        assert client.does(text) == NOTHING
    assert client.does("SELECT * FROM slots") == EVERYTHING
    assert client.does("COMMIT") == EVERYTHING


def test_the_database_s_own_isolation_holds_where_a_transaction_does_not_say() -> None:
    schema = SchemaGraph(tables=frozenset({"slots"}), isolation=Isolation.SERIALIZABLE)
    client = Client(Footprints(schema).run())
    client.does("BEGIN")
    assert client.does("SELECT * FROM slots") == EVERYTHING
    client.does("ROLLBACK")
    client.does("BEGIN ISOLATION LEVEL READ COMMITTED")
    assert client.does("SELECT * FROM slots") == touching(reads=["table:slots"])
