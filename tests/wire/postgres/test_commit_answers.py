"""Autocommit statements without a server: the answers of a split commit, cut in every way."""

from __future__ import annotations

import pytest

from tests.wire.ordering_keeper import OrderingKeeper
from tests.wire.postgres.client import (
    BOUND,
    EXECUTE,
    FAILED,
    FLUSH,
    IN,
    PARSED,
    READY,
    ROWS,
    SYNC,
    bind,
    done,
    error,
    m,
    parse,
    query,
)
from tests.wire.postgres.messages import opened


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 10_000_000])
@pytest.mark.parametrize(
    ("answers", "wanted"),
    [
        (
            (done("BEGIN") + IN + ROWS + done("INSERT 0 3") + IN, done("COMMIT") + READY),
            ROWS + done("INSERT 0 3") + READY,
        ),
        (
            (done("BEGIN") + IN + done("SELECT 1") + ROWS + done("SELECT 3") + IN, error("23505") + READY),
            done("SELECT 1") + ROWS + error("23505") + READY,
        ),
        (
            (done("BEGIN") + IN + ROWS + error("22012") + FAILED, done("ROLLBACK") + READY),
            ROWS + error("22012") + READY,
        ),
        (
            (done("BEGIN") + IN + m("N", b"SNOTICE\0\0") + done("DO") + IN, done("COMMIT") + READY),
            m("N", b"SNOTICE\0\0") + done("DO") + READY,
        ),
    ],
)
def test_the_answer_is_made_one_however_it_comes(
    answers: tuple[bytes, bytes], wanted: bytes, size: int
) -> None:
    keeper = OrderingKeeper(lets_go=True, delivers=True)
    session, wires = opened(keeper)
    session.from_client(query("INSERT INTO t VALUES (2)"))
    assert wires.taken_up() == query("BEGIN") + query("INSERT INTO t VALUES (2)")
    for answer in answers:
        for at in range(0, len(answer), size):
            session.from_server(answer[at : at + size])
    assert wires.taken_down() == wanted
    assert wires.taken_up() in {query("COMMIT"), query("ROLLBACK")}
    session.from_client(query("SELECT 1"))
    assert wires.taken_up() == query("BEGIN") + query("SELECT 1")


def test_an_extended_group_goes_with_flush_and_its_answer_waits_for_sync() -> None:
    keeper = OrderingKeeper()
    session, wires = opened(keeper)
    group = parse("INSERT INTO t VALUES (1)") + bind() + EXECUTE
    session.from_client(group + SYNC)
    keeper.held.go()
    assert wires.taken_up() == group + FLUSH
    session.from_server(PARSED + BOUND + done("INSERT 0 1"))
    keeper.held.deliver()
    assert wires.taken_down() == b""
    assert keeper.texts == ["INSERT INTO t VALUES (1)", "COMMIT"]
    keeper.held.go()
    assert wires.taken_up() == SYNC
    session.from_server(READY)
    keeper.held.deliver()
    assert wires.taken_down() == PARSED + BOUND + done("INSERT 0 1") + READY


def test_a_cancellation_of_what_only_waits_for_its_commit_comes_too_late() -> None:
    keeper = OrderingKeeper()
    session, wires = opened(keeper)
    session.from_client(query("INSERT INTO t VALUES (2)"))
    keeper.held.go()
    session.from_server(done("BEGIN") + IN + done("INSERT 0 1") + IN)
    keeper.held.deliver()
    assert session.cancel(4711, b"key!")
    keeper.held.go()
    session.from_server(done("COMMIT") + READY)
    keeper.held.deliver()
    assert wires.taken_down() == done("INSERT 0 1") + READY


def test_a_function_call_of_the_protocol_is_said_to_stay_whole() -> None:
    keeper = OrderingKeeper()
    session, _ = opened(keeper)
    session.from_client(m("F", b"\0\0\0\1" + b"\0" * 8))
    assert keeper.boundaries[0].unsplit == "a FunctionCall commits as it ends"
