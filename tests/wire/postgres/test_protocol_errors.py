"""Bytes that are not PostgreSQL's protocol, on either side: one line and a reset, or passed on raw."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from overbooked.wire.postgres.session import PostgresSession
from tests.wire.postgres.client import (
    BOUND,
    EXECUTE,
    FAILED,
    FLUSH,
    PARSED,
    READY,
    SYNC,
    TALK,
    bind,
    done,
    error,
    m,
    parse,
    query,
)
from tests.wire.postgres.messages import opened
from tests.wire.sansio import Keeper, Wires

# -- violations ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (b"GET / HTTP/1.1\r\n", "the client sent a message"),
        (m("y"), "unknown type 'y'"),
        (b"Q\0\0\0\1", "a message 'Q' of 1 bytes"),
        (m("B", b"no end") + EXECUTE + SYNC, "does not end"),
        (m("B", b"\0\0\0\0\0\3") + EXECUTE + SYNC, "cut short"),
    ],
)
def test_a_client_that_breaks_the_protocol_is_named(said: bytes, why: str) -> None:
    keeper = Keeper(lets_go=True, delivers=True)
    session, wires = opened(keeper)
    session.from_client(said)
    assert why in wires.broken
    assert wires.happened == ["reset"]
    assert keeper.troubles == [wires.broken]
    assert wires.taken_up() == b""


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (b"HTTP/1.1 200 OK", "the server sent a message 'H' of"),
        (READY, "ReadyForQuery without a request"),
        (PARSED, "without a request"),
        (error("42601"), "an error without a request"),
    ],
)
def test_a_server_that_breaks_the_protocol_is_named(said: bytes, why: str) -> None:
    session, wires = opened(Keeper(lets_go=True))
    session.from_server(said)
    assert why in wires.broken
    assert wires.happened == ["reset"]


@settings(max_examples=200, deadline=None)
@given(st.randoms(use_true_random=False), st.integers(1, 4))
def test_damaged_bytes_break_the_connection_off_or_pass_and_never_raise(random: Random, wounds: int) -> None:
    keeper = Keeper(lets_go=True, delivers=True)
    session, wires = opened(keeper)
    for one in TALK:
        asks, answers = bytearray(one.asks), bytearray(one.answers)
        for _ in range(wounds):
            for hurt in (asks, answers):
                if hurt and random.random() < 0.2:
                    hurt[random.randrange(min(len(hurt), 40))] = random.randrange(256)
        session.from_client(bytes(asks))
        if not wires.broken:
            session.from_server(bytes(answers))
        if wires.broken:
            assert wires.happened[-1] == "reset"
            return


@pytest.mark.parametrize("said", [b"GET / HTTP/1.1\r\n\r\n", m("y") + b"more"])
def test_without_a_keeper_what_cannot_be_followed_passes_and_the_next_keeper_is_told(said: bytes) -> None:
    session, wires = opened()
    session.from_client(said)
    session.from_client(b"and on")
    assert wires.taken_up() == said + b"and on"
    session.from_server(b"HTTP/1.1 400 Bad Request")
    assert wires.taken_down() == b"HTTP/1.1 400 Bad Request"
    wires.keeper = keeper = Keeper()
    session.gate_changed()
    assert "the client sent a message" in keeper.troubles[0]
    assert wires.happened == ["reset"]


def test_a_server_that_cannot_be_followed_passes_without_a_keeper() -> None:
    session, wires = opened()
    session.from_server(PARSED + b"what?")
    session.from_client(b"?")
    assert wires.taken_down() == PARSED + b"what?"
    assert wires.taken_up() == b"?"
    assert not wires.broken


def test_an_answer_to_something_else_is_a_violation() -> None:
    session, wires = opened(Keeper(lets_go=True))
    session.from_client(parse("SELECT 1") + bind() + EXECUTE + SYNC)
    session.from_server(BOUND)
    assert "sent '2' where an answer to 'P' was due" in wires.broken


def test_a_fatal_error_may_come_at_any_time() -> None:
    session, wires = opened(Keeper())
    said = error("57P01", "FATAL")
    session.from_server(said)
    session.server_ended()
    assert not wires.broken
    assert wires.taken_down() == said
    assert wires.happened == ["end to client"]


def test_a_failed_copy_may_or_may_not_have_ignored_a_sync() -> None:
    """A trigger fails before the server reads on, or a row after it has read past the Sync."""
    for readies in (1, 2):
        session, wires = opened()
        session.from_client(parse("COPY t FROM STDIN") + bind() + EXECUTE + SYNC)
        session.from_server(PARSED + BOUND + m("G", b"\0\0\0") + error("23505"))
        session.from_client(m("d", b"1\n") + m("c") + SYNC)
        session.from_server(READY * readies)
        session.from_client(query("SELECT 1"))
        session.from_server(done("SELECT 1") + READY)
        assert not wires.broken


def test_a_statement_in_a_failed_pipeline_is_not_held() -> None:
    keeper = Keeper(lets_go=True, delivers=True)
    session, wires = opened(keeper)
    session.from_client(parse("wrong") + FLUSH)
    session.from_server(error("42601"))
    wires.taken_up()
    session.from_client(bind() + EXECUTE + SYNC)
    assert keeper.asked == []
    assert wires.taken_up() == bind() + EXECUTE + SYNC
    session.from_server(FAILED)
    assert session.state.in_failed_transaction


@pytest.mark.parametrize("hangs_up_first", [True, False])
def test_a_client_that_goes_because_the_server_hung_up_is_not_taken_for_one_that_wants_tls(
    hangs_up_first: bool,
) -> None:
    wires = Wires(link="app->postgres", keeper=Keeper())
    session = PostgresSession(wires)
    steps = [lambda: session.from_client(bytes.fromhex("00000008 04d2162f")), session.server_ended]
    for step in reversed(steps) if hangs_up_first else steps:
        step()
    session.client_ended()
    assert wires.broken == ""
    assert wires.happened == ["end to client", "end to server"]
