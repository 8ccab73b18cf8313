"""What boundaries touch: each trap of the wire by itself."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.explore.footprints import Footprints, RunFootprints, SchemaGraph, dependent, footprint
from harness.explore.resources import EVERYTHING, NOTHING, Footprint, touching
from harness.explore.schema_graph import ForeignKey, Function, Trigger
from harness.explore.statements import Change, Isolation, Kind, statement
from harness.wire.boundary import Boundary, Reply, WireProtocol

SCHEMA = SchemaGraph(
    tables=frozenset({"slots", "bookings", "audit", "prices", "counted", "free", "secret", "days", "day_1"}),
    roots={"day_1": "days"},
    key_columns={"slots": frozenset({"id"}), "bookings": frozenset({"id"})},
    foreign_keys=(
        ForeignKey("bookings", frozenset({"slot_id"}), "slots", frozenset({"id"}), on_delete="c"),
        ForeignKey("prices", frozenset({"slot_id"}), "slots", frozenset({"id"})),
    ),
    triggers=(
        Trigger("counted", frozenset({Change.INSERT}), "count_it"),
        Trigger("audit", frozenset({Change.DELETE}), "who_knows"),
    ),
    views={"free": "SELECT slots.id FROM slots LEFT JOIN bookings ON true"},
    functions={
        "count_it": (Function("plpgsql", "BEGIN PERFORM bump(NEW.slot_id); RETURN NULL; END"),),
        "bump": (Function("sql", "UPDATE slots SET taken = taken + 1 WHERE id = $1"),),
        "who_knows": (Function("plpgsql", "BEGIN EXECUTE 'DELETE FROM slots'; RETURN NULL; END"),),
        "rank": (Function("sql", "SELECT 1"),),
        "compiled": (Function("c", "compiled"),),
    },
    closed=frozenset({"secret"}),
    harmless=frozenset({"lower", "date_trunc"}),
)


def sql(text: str, *, in_transaction: bool = False, connection: int = 1) -> Boundary:
    verb = text.partition(" ")[0].upper()
    return Boundary(
        "app->postgres", WireProtocol.POSTGRES, connection, 1, verb, text, text, in_transaction=in_transaction
    )


def redis(*words: str, queued: bool = False, connection: int = 1) -> Boundary:
    text = " ".join(words)
    return Boundary(
        "app->redis",
        WireProtocol.REDIS,
        connection,
        1,
        words[0],
        text,
        text,
        values=words[1:],
        in_transaction=queued,
    )


def http(method: str, link: str = "app->provider") -> Boundary:
    return Boundary(link, WireProtocol.HTTP, 1, 1, method, f"{method} /intents", f"{method} /intents")


def alone(text: str) -> Footprint:
    return footprint(sql(text), SCHEMA)


class Client:
    """One connection of one run."""

    def __init__(self, run: RunFootprints, connection: int = 1) -> None:
        self.run, self.connection, self.open = run, connection, False
        self.holds = self.effects = NOTHING

    def does(self, text: str, error: str = "") -> Footprint:
        boundary = sql(text, in_transaction=self.open, connection=self.connection)
        told = self.run.let_go(boundary)
        self.holds = told.holds
        kind = statement(text).kind
        self.open = (self.open or kind is Kind.BEGIN) and kind not in {Kind.COMMIT, Kind.ROLLBACK}
        self.effects = self.run.answered(boundary, Reply("", error, in_transaction=self.open))
        return told.footprint


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
        "SELECT pg_advisory_xact_lock($1)",
        "SELECT pg_try_advisory_lock(1)",
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


# -- what hides behind a table ---------------------------------------------------------------------


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


def test_a_view_is_its_tables() -> None:
    assert alone("SELECT * FROM free") == touching(reads=["table:slots", "table:bookings"])


def test_what_is_locked_or_changed_through_a_view_is_its_tables() -> None:
    assert alone("SELECT 1 FROM free FOR UPDATE").writes == {"table:slots", "table:bookings"}
    assert "table:slots" in alone("UPDATE free SET id = 1").writes


def test_a_view_that_calls_what_nobody_knows_touches_everything() -> None:
    schema = replace(SCHEMA, views={"free": "SELECT pg_try_advisory_lock(id) FROM slots"})
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


# -- Redis and HTTP --------------------------------------------------------------------------------


def key(*words: str) -> Footprint:
    return footprint(redis(*words), SCHEMA)


def test_redis_commands_touch_their_keys() -> None:
    assert key("GET", "hold:slots") == touching(reads=["redis:hold:slots"])
    assert key("SET", "hold:slots", "1", "NX") == touching(writes=["redis:hold:slots"])
    assert not dependent(key("GET", "a"), key("SET", "b", "1"))
    assert dependent(key("GET", "a"), key("DEL", "b", "a"))


def test_keys_are_the_same_in_every_run() -> None:
    one, other = "6f1e8c0e-9a53-4c7e-9d8e-0f5c4b1d2a3e", "0b5d2a3e-1c4b-4d8e-8a53-6f1e8c0e9a53"
    assert key("GET", f"hold:{one}") == key("GET", f"hold:{other}")


def test_a_script_touches_its_declared_keys_and_without_any_everything() -> None:
    assert key("EVALSHA", "abc", "1", "hold:x", "5") == touching(writes=["redis:hold:x"])
    assert key("EVAL", "return 1", "0") == EVERYTHING


@pytest.mark.parametrize("words", [("FLUSHALL",), ("KEYS", "*"), ("SCAN", "0"), ("NOSUCH", "a"), ("EXEC",)])
def test_a_redis_command_without_known_keys_touches_everything(words: tuple[str, ...]) -> None:
    assert key(*words) == EVERYTHING


def test_a_redis_command_about_the_connection_touches_nothing() -> None:
    assert key("PING") == NOTHING
    assert key("SCRIPT LOAD", "LOAD", "return 1") == NOTHING
    assert key("SCRIPT FLUSH", "FLUSH") == EVERYTHING


def test_exec_does_what_was_queued_and_watched() -> None:
    run = Footprints(SCHEMA).run()
    for words in (("WATCH", "c"), ("MULTI",)):
        run.let_go(redis(*words))
    run.let_go(redis("SET", "a", "1", queued=True))
    run.let_go(redis("GET", "b", queued=True))
    run.let_go(redis("SET", "other", "1", connection=2))
    done = run.let_go(redis("EXEC", queued=True)).footprint
    assert done == touching(reads=["redis:b", "redis:c"], writes=["redis:a"])


def test_what_was_discarded_is_not_done() -> None:
    run = Footprints(SCHEMA).run()
    run.let_go(redis("MULTI"))
    run.let_go(redis("SET", "a", "1", queued=True))
    assert run.let_go(redis("DISCARD", queued=True)).footprint == NOTHING
    run.let_go(redis("MULTI"))
    assert run.let_go(redis("EXEC", queued=True)).footprint == NOTHING


def test_calls_to_one_host_depend_on_each_other() -> None:
    post, get = footprint(http("POST"), SCHEMA), footprint(http("GET"), SCHEMA)
    assert dependent(post, post)
    assert dependent(post, get)
    assert not dependent(get, get)
    assert not dependent(post, footprint(http("POST", "app->mail"), SCHEMA))


def test_a_call_to_the_service_may_touch_anything() -> None:
    assert footprint(http("GET", "client->app"), SCHEMA) == EVERYTHING


def test_links_do_not_touch_each_other() -> None:
    assert not dependent(key("SET", "slots", "1"), alone("UPDATE slots SET taken = 1"))
    assert not dependent(footprint(http("POST"), SCHEMA), alone("UPDATE slots SET taken = 1"))


def test_what_hangs_on_a_partition_is_done_to_its_parent_too() -> None:
    schema = replace(SCHEMA, triggers=(Trigger("day_1", frozenset({Change.INSERT}), "count_it"),))
    assert "table:slots" in footprint(sql("INSERT INTO days VALUES (1)"), schema).writes


def test_footprints_are_said_in_words() -> None:
    assert alone("UPDATE slots SET taken = 1").said() == "reads table:slots; writes table:slots"
    assert (EVERYTHING.said(), NOTHING.said()) == ("everything", "nothing")
    assert (EVERYTHING | NOTHING) == EVERYTHING
