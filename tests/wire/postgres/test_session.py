"""A session without sockets: however bytes are cut, the traffic and its boundaries are the same."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from overbooked.errors import NotSupported
from overbooked.wire.gate.boundary import FaultKind
from overbooked.wire.postgres.session import PostgresSession
from tests.wire.postgres.client import (
    BOUND,
    EXECUTE,
    FLUSH,
    IN,
    PARSED,
    READY,
    SHAPES,
    SYNC,
    TALK,
    Exchange,
    bind,
    done,
    error,
    m,
    parse,
    query,
)
from tests.wire.postgres.messages import opened
from tests.wire.sansio import Keeper, Wires

CUTS = st.lists(st.one_of(st.integers(1, 12), st.integers(1, 90_000)), min_size=1, max_size=40)


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
