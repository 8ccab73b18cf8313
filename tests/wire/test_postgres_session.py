"""A session without sockets: however bytes are cut, the traffic and its boundaries are the same."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import NotSupported
from harness.wire.boundary import FaultKind
from harness.wire.postgres.session import PostgresSession
from tests.wire.postgres_talk import (
    BOUND,
    EXECUTE,
    FAILED,
    FLUSH,
    IN,
    PARSED,
    READY,
    SHAPES,
    STARTUP,
    SYNC,
    TALK,
    WELCOME,
    Exchange,
    bind,
    done,
    error,
    m,
    parse,
    query,
)
from tests.wire.sansio import Keeper, Wires

CUTS = st.lists(st.one_of(st.integers(1, 12), st.integers(1, 90_000)), min_size=1, max_size=40)


def opened(keeper: Keeper | None = None) -> tuple[PostgresSession, Wires]:
    """A session past its handshake."""
    wires = Wires(link="app->postgres", keeper=keeper)
    session = PostgresSession(wires)
    session.from_client(STARTUP)
    session.from_server(WELCOME)
    assert wires.taken_up() == STARTUP
    assert wires.taken_down() == WELCOME
    return session, wires


class Player:
    """Feeds a talk to a session in pieces: the server answers what has reached it whole."""

    def __init__(self, session: PostgresSession, wires: Wires, talk: tuple[Exchange, ...]) -> None:
        self.session, self.wires, self.talk = session, wires, talk
        self.asks = b"".join(one.asks for one in talk)
        self.ready = self.sent = self.answered = 0
        self.got = b""
        self.written = b""
        self._answers = b""
        self._ends = []
        total = 0
        for one in talk:
            total += len(one.asks)
            self._ends.append(total)

    @property
    def over(self) -> bool:
        return self.sent == len(self.asks) and self.answered == len(self.talk) and not self._answers

    def client(self, size: int) -> None:
        piece = self.asks[self.sent : self.sent + size]
        self.sent += len(piece)
        if piece:
            self.session.from_client(piece)

    def server(self, size: int) -> None:
        self.got += self.wires.taken_up()
        while self.answered < len(self.talk) and len(self.got) >= self._ends[self.answered]:
            self._answers += self.talk[self.answered].answers
            self.answered += 1
        piece, self._answers = self._answers[:size], self._answers[size:]
        if piece:
            self.session.from_server(piece)

    def finish(self) -> None:
        for _ in range(len(self.asks) + 200):
            if self.over:
                return
            self.client(1 << 20)
            self.server(1 << 20)
        raise AssertionError("the talk does not come to its end")


@settings(max_examples=150, deadline=None)
@given(CUTS, CUTS, st.booleans())
def test_any_chunking_gives_the_same_boundaries(up: list[int], down: list[int], eager: bool) -> None:
    keeper = Keeper(lets_go=True, delivers=True)
    session, wires = opened(keeper)
    player = Player(session, wires, TALK)
    if eager:
        player.client(len(player.asks))  # all groups pipelined
    for turn in range(max(len(up), len(down))):
        player.client(up[turn % len(up)])
        player.server(down[turn % len(down)])
    player.finish()
    assert [boundary.shape for boundary in keeper.boundaries] == list(SHAPES)
    assert player.got == player.asks
    assert wires.taken_down() == b"".join(one.answers for one in TALK)
    assert not wires.broken


@settings(max_examples=150, deadline=None)
@given(CUTS, CUTS, st.lists(st.sampled_from(["engage", "release", "", ""]), min_size=1, max_size=30))
def test_traffic_is_never_changed_by_a_keeper_that_comes_and_goes(
    up: list[int], down: list[int], moves: list[str]
) -> None:
    session, wires = opened()
    player = Player(session, wires, TALK)
    turn = 0
    while not player.over and turn < 400:
        move = moves[turn % len(moves)]
        if move:
            wires.keeper = Keeper(lets_go=True, delivers=turn % 3 > 0) if move == "engage" else None
            session.gate_changed()
        player.client(up[turn % len(up)])
        player.server(down[turn % len(down)])
        turn += 1
    wires.keeper = None
    session.gate_changed()
    player.finish()
    assert player.got == player.asks
    assert wires.taken_down() == b"".join(one.answers for one in TALK)
    assert not wires.broken


def test_observed_bytes_go_on_as_they_are_read() -> None:
    session, wires = opened()
    for one in TALK:
        for byte in one.asks[:300]:
            session.from_client(bytes([byte]))
            assert wires.taken_up() == bytes([byte])
        session.from_client(one.asks[300:])
        wires.taken_up()
        for byte in one.answers[:300]:
            session.from_server(bytes([byte]))
            assert wires.taken_down() == bytes([byte])
        session.from_server(one.answers[300:])
        wires.taken_down()


def test_several_syncs_in_one_read_are_held_one_after_another() -> None:
    keeper = Keeper()
    session, wires = opened(keeper)
    group = parse("SELECT 1") + bind() + EXECUTE + SYNC
    session.from_client(group * 3)
    for number in range(3):
        assert len(keeper.asked) == number + 1
        assert wires.taken_up() == b""
        keeper.held.go()
        assert wires.taken_up() == group
        session.from_server(PARSED + BOUND + done("SELECT 0") + READY)
        assert wires.taken_down() == b""
        keeper.held.deliver()
        assert wires.taken_down() == PARSED + BOUND + done("SELECT 0") + READY


def test_a_keeper_that_comes_in_the_middle_of_a_group_is_asked_at_the_next() -> None:
    session, wires = opened()
    session.from_client(parse("SELECT 1") + bind())
    wires.keeper = keeper = Keeper()
    session.gate_changed()
    session.from_client(EXECUTE + SYNC + query("SELECT 2"))
    assert keeper.asked == []
    session.from_server(PARSED + BOUND + done("SELECT 0") + READY)
    assert keeper.texts == ["SELECT 2"]


def test_much_waiting_behind_a_held_boundary_holds_the_client_back() -> None:
    keeper = Keeper()
    session, wires = opened(keeper)
    session.from_client(query("SELECT 1"))
    for _ in range(30):
        session.from_client(query("x" * 100_000))
    assert wires.happened == ["hold back"]


def test_a_group_of_many_megabytes_is_not_held_back_before_it_is_whole() -> None:
    keeper = Keeper()
    session, wires = opened(keeper)
    for _ in range(60):
        session.from_client(bind("", b"x" * 50_000) + EXECUTE)
    assert wires.happened == []
    session.from_client(SYNC)
    assert len(keeper.asked) == 1


# -- injected errors ----------------------------------------------------------------------------


def test_an_injected_error_sends_nothing_of_the_statement() -> None:
    keeper = Keeper()
    session, wires = opened(keeper)
    session.from_client(query("DELETE FROM t"))
    keeper.held.fail(FaultKind.ERROR, code="40001", message="no")
    sent = wires.taken_up()
    assert b"DELETE" not in sent
    assert b"ERRCODE = '40001'" in sent
    session.from_server(PARSED + BOUND + error("40001"))
    session.from_server(READY)
    assert wires.taken_down() == error("40001") + READY
    assert b"_overbooked_gate_1" in wires.taken_up()  # closed again
    session.from_client(query("SELECT 1"))
    assert len(keeper.asked) == 1  # not before that is over
    session.from_server(m("3") + READY)
    assert wires.taken_down() == b""
    assert keeper.texts == ["DELETE FROM t", "SELECT 1"]


def test_an_error_before_a_flush_leaves_the_server_waiting_for_sync() -> None:
    keeper = Keeper()
    session, wires = opened(keeper)
    session.from_client(parse("SELECT 1") + bind() + EXECUTE + FLUSH)
    keeper.held.fail(FaultKind.ERROR, code="40001")
    assert SYNC not in wires.taken_up()
    session.from_server(PARSED + BOUND + PARSED + BOUND + error("40001"))
    assert wires.taken_down() == PARSED + BOUND + error("40001")
    session.from_client(bind() + EXECUTE + SYNC)
    assert wires.taken_up() == bind() + EXECUTE + SYNC  # discarded by the server, so not held
    session.from_server(READY)
    assert wires.taken_down() == READY
    assert len(keeper.asked) == 1


def test_a_commit_fails_by_a_rollback_and_an_error_outside() -> None:
    keeper = Keeper(lets_go=True, delivers=True)
    session, wires = opened(keeper)
    session.from_client(query("BEGIN"))
    session.from_server(done("BEGIN") + IN)
    keeper.lets_go = False
    session.from_client(query("COMMIT"))
    wires.taken_up(), wires.taken_down()
    keeper.held.fail(FaultKind.ERROR, code="40001")
    assert b"ROLLBACK" in wires.taken_up()
    session.from_server(PARSED + BOUND + done("ROLLBACK") + PARSED + BOUND + error("40001") + READY)
    assert wires.taken_down() == error("40001") + READY


def test_the_answer_of_a_flush_cannot_be_lost() -> None:
    keeper = Keeper(lets_go=True)
    session, wires = opened(keeper)
    session.from_client(parse("INSERT INTO t VALUES (1)") + bind() + EXECUTE + FLUSH)
    session.from_server(PARSED + BOUND + done("INSERT 0 1"))
    with pytest.raises(NotSupported, match="at the Sync that follows"):
        keeper.held.lose()
    keeper.held.deliver()
    session.from_client(SYNC)
    session.from_server(READY)
    keeper.held.lose()
    assert wires.happened == ["reset"]


# -- the ends -----------------------------------------------------------------------------------


def test_terminate_passes_behind_what_is_held() -> None:
    keeper = Keeper()
    session, wires = opened(keeper)
    session.from_client(query("SELECT 1") + m("X"))
    keeper.held.go()
    assert wires.taken_up() == query("SELECT 1")
    session.from_server(done("SELECT 1") + READY)
    keeper.held.deliver()
    assert wires.taken_up() == m("X")


def test_a_server_that_ends_after_its_answer_is_heard_behind_it() -> None:
    keeper = Keeper(lets_go=True)
    session, wires = opened(keeper)
    session.from_client(query("SELECT 1"))
    session.from_server(done("SELECT 1") + READY)
    session.server_ended()
    assert wires.happened == []
    keeper.held.deliver()
    assert wires.happened == ["end to client"]


def test_a_connection_that_goes_names_what_was_held() -> None:
    keeper = Keeper()
    session, _ = opened(keeper)
    session.from_client(query("SELECT 1"))
    session.over()
    assert keeper.losses == [("app->postgres", 1, keeper.held)]


# -- violations ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (b"GET / HTTP/1.1\r\n", "the client sent a message"),
        (m("y"), "type 'y', which there is not"),
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
        (READY, "none was asked"),
        (PARSED, "nothing was asked"),
        (error("42601"), "an error and nothing was asked"),
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
