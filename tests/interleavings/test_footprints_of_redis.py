"""Footprints of Redis commands and of calls to the provider."""

from __future__ import annotations

from dataclasses import replace

import pytest

from overbooked.interleavings.footprints.footprints import Footprints, dependent, footprint
from overbooked.interleavings.footprints.resources import EVERYTHING, NOTHING, Footprint, touching
from overbooked.interleavings.footprints.schema_graph import Trigger
from overbooked.interleavings.footprints.sql import Change
from tests.interleavings.footprint_samples import SCHEMA, Client, alone, http, redis, sql


@pytest.fixture
def client() -> Client:
    return Client(Footprints(SCHEMA).run())


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
