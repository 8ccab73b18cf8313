"""Ends of Redis connections at the gate, and equal boundaries for any segmentation."""

from __future__ import annotations

from collections.abc import Callable
from itertools import zip_longest

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.wire.redis.messages import OK, QUEUED, Line, bulk, c, through
from tests.wire.sansio import Failing, Keeper


@pytest.fixture
def line(keeper: Keeper) -> Line:
    return Line(keeper)


# The gate opens


@pytest.mark.parametrize("stage", ["asked", "sent", "answered", "trickling"])
def test_whatever_is_held_is_passed_on_when_the_gate_opens(line: Line, keeper: Keeper, stage: str) -> None:
    line.says("GET a", "GET b")
    value = b"$4\r\nabcd\r\n"
    if stage != "asked":
        keeper.held.go()
    if stage in {"answered", "trickling"}:
        line.answers(value)
    if stage == "trickling":
        keeper.held.deliver(pieces=3, pause_s=1)
    line.engages(None)
    if stage in {"asked", "sent"}:
        line.session.from_server(value)
    assert line.wires.up == c("GET a") + c("GET b")
    assert line.wires.down == value
    assert len(keeper.asked) == 1
    keeper.asked[0].go()  # too late, without effect
    assert line.says("GET c").endswith(c("GET c"))


def test_half_a_command_and_half_an_answer_go_on_when_the_gate_opens(line: Line) -> None:
    line.session.from_client(b"*2\r\n$3\r\nGE")
    line.session.from_server(b"$3\r\nab")
    assert (bytes(line.wires.up), bytes(line.wires.down)) == (b"", b"")
    line.engages(None)
    assert (bytes(line.wires.up), bytes(line.wires.down)) == (b"*2\r\n$3\r\nGE", b"$3\r\nab")


def test_a_command_refused_within_multi_is_still_refused_when_the_gate_opens() -> None:
    keeper = Failing(verb="INCR")
    line = Line(keeper)
    line.says("MULTI", "INCR b")
    line.answers(OK)
    line.engages(None)
    assert line.answers(b"-ERR unknown command\r\n") == b"-ERR refused by the gate\r\n"


# Ends


def test_the_clients_end_is_passed_on_after_what_it_said(line: Line, keeper: Keeper) -> None:
    line.says("SET a 1")
    line.session.client_ended()
    assert line.wires.happened == []
    keeper.held.go()
    line.answers(OK)
    assert line.wires.happened == ["end to server"]
    keeper.held.deliver()
    assert line.wires.taken_down() == OK


def test_a_client_that_goes_while_its_command_blocks_is_seen_to_go(line: Line, keeper: Keeper) -> None:
    line.says("BLPOP q 0")
    keeper.held.go()
    line.session.client_ended()
    assert line.wires.happened == ["end to server"]


def test_the_servers_end_comes_after_an_answer_that_waits(line: Line, keeper: Keeper) -> None:
    line.says("SET a 1")
    keeper.held.go()
    line.answers(OK)
    line.session.server_ended()
    assert line.wires.happened == []
    keeper.held.deliver()
    assert (line.wires.taken_down(), line.wires.happened) == (OK, ["end to client"])


def test_half_an_answer_of_a_dead_server_is_told_as_it_is(line: Line, keeper: Keeper) -> None:
    line.says("GET a")
    keeper.held.go()
    line.session.from_server(b"$3\r\na")
    line.session.server_ended()
    assert (line.wires.taken_down(), line.wires.happened) == (b"$3\r\na", ["end to client"])


def test_what_goes_to_a_server_that_has_gone_is_reset(line: Line, keeper: Keeper) -> None:
    line.says("GET a")
    line.session.server_ended()
    keeper.held.go()
    assert line.wires.happened == ["end to client", "reset"]


def test_an_end_that_no_keeper_saw_is_told_to_none(keeper: Keeper) -> None:
    line = Line()
    line.says("GET a")
    line.wires.keeper = keeper
    line.session.over()
    assert not keeper.losses


def test_a_full_house_is_passed_on(line: Line) -> None:
    refused = b"-ERR max number of clients reached\r\n"
    assert line.answers(refused) == refused


# Violations


def spoil_client(line: Line) -> None:
    line.session.from_client(b"*1\r\n+PING\r\n")


def spoil_server(line: Line) -> None:
    line.session.from_server(b"HTTP/1.1 200 OK\r\n")


def answer_unasked(line: Line) -> None:
    line.session.from_server(OK)


def speak_tls(line: Line) -> None:
    line.session.from_client(b"\x16\x03\x01\x02\x00\x01")


def test_what_passed_unseen_is_not_told_again_when_the_server_ends() -> None:
    line = Line()
    line.says("PING")
    assert line.answers(b"no Redis\r\n") == b"no Redis\r\n"
    assert line.answers(b"at all\r\n") == b"at all\r\n"
    line.session.server_ended()
    assert line.wires.taken_down() == b""
    assert line.wires.happened == ["end to client"]


@pytest.mark.parametrize("spoil", [spoil_client, spoil_server, answer_unasked, speak_tls])
def test_who_speaks_no_redis_is_told_and_reset(
    line: Line, keeper: Keeper, spoil: Callable[[Line], None]
) -> None:
    spoil(line)
    assert line.wires.happened == ["reset"]
    assert len(keeper.troubles) == 1
    assert "app->redis" in keeper.troubles[0]


@pytest.mark.parametrize("spoil", [spoil_client, spoil_server, answer_unasked, speak_tls])
def test_without_a_keeper_it_is_passed_on_and_told_to_the_next(
    keeper: Keeper, spoil: Callable[[Line], None]
) -> None:
    line = Line()
    spoil(line)
    line.session.from_client(b"more")
    line.session.from_server(b"more")
    assert bytes(line.wires.up).endswith(b"more")
    assert bytes(line.wires.down).endswith(b"more")
    assert line.wires.happened == []
    line.engages(keeper)
    line.session.from_client(b"more")
    assert len(keeper.troubles) == 1


def test_ends_of_a_connection_that_is_not_followed_are_passed_on() -> None:
    line = Line()
    speak_tls(line)
    line.session.client_ended()
    line.session.server_ended()
    assert line.wires.happened == ["end to server", "end to client"]


# However it comes

CONVERSATION: list[tuple[str, bytes]] = [
    ("HELLO 3", b"%1\r\n+proto\r\n:3\r\n"),
    ("SET slot:1 a", OK),
    ("MULTI", OK),
    ("INCR a", QUEUED),
    ("EXEC", b"*1\r\n:1\r\n"),
    ("SUBSCRIBE a b", bulk("subscribe", "a", "1", mark=">") + bulk("subscribe", "b", "2", mark=">")),
    ("GET c", bulk("message", "a", "hi", mark=">") + b"$3\r\nabc\r\n"),
    ("UNSUBSCRIBE", bulk("unsubscribe", "a", "1", mark=">") + bulk("unsubscribe", "b", "0", mark=">")),
    ("BLPOP q 0", b"_\r\n"),
    ("CLIENT REPLY SKIP", b""),
    ("DEL a", b""),
    ("EVAL s 0", b"|1\r\n+x\r\n:1\r\n*2\r\n:1\r\n$-1\r\n"),
]


def play(up: list[int], down: list[int], keeper: Keeper | None) -> Line:
    """The conversation with both directions in pieces of these sizes; the server answers what it has got."""
    line = Line(keeper)
    said = b"".join(c(command) for command, _ in CONVERSATION)
    sent, turn, replied = 0, 0, 0
    expected = [c(command) for command, _ in CONVERSATION]
    while sent < len(said) or replied < len(expected):
        size = up[turn % len(up)]
        line.session.from_client(said[sent : sent + size])
        sent, turn = sent + size, turn + 1
        while replied < len(expected) and len(line.wires.up) >= len(b"".join(expected[: replied + 1])):
            answer = CONVERSATION[replied][1]
            for at in range(0, len(answer), down[turn % len(down)]):
                line.session.from_server(answer[at : at + down[turn % len(down)]])
            replied += 1
    return line


SIZES = st.lists(st.integers(1, 60), min_size=1, max_size=6)


@given(SIZES, SIZES)
def test_the_same_boundaries_and_bytes_in_any_pieces(up: list[int], down: list[int]) -> None:
    keeper = through()
    line = play(up, down, keeper)
    assert bytes(line.wires.up) == b"".join(c(command) for command, _ in CONVERSATION)
    assert bytes(line.wires.down) == b"".join(answer for _, answer in CONVERSATION)
    assert keeper.texts == [
        command for command, _ in CONVERSATION if command.split()[0] not in {"HELLO", "CLIENT"}
    ]
    assert len(keeper.replies) == len(keeper.asked)


@given(SIZES, SIZES)
def test_observing_changes_no_byte_in_any_pieces(up: list[int], down: list[int]) -> None:
    line = play(up, down, None)
    assert bytes(line.wires.down) == b"".join(answer for _, answer in CONVERSATION)
    assert not line.wires.broken


FRAGMENTS = st.lists(
    st.one_of(
        st.binary(max_size=12),
        st.sampled_from([c(command) for command, _ in CONVERSATION]),
        st.sampled_from([answer for _, answer in CONVERSATION]),
        st.sampled_from(
            [b"*", b"$", b"*3\r\n", b"$-1\r\n", b"\r\n", b":1\r\n", b">0\r\n", b"|1\r\n", b"*1\r\n:1\r\n"]
        ),
    ),
    max_size=12,
)


@given(FRAGMENTS, FRAGMENTS, st.booleans())
def test_nonsense_is_passed_on_unchanged_or_told_and_reset(
    up: list[bytes], down: list[bytes], watched: bool
) -> None:
    keeper = through() if watched else None
    line = Line(keeper)
    for said, answer in zip_longest(up, down, fillvalue=b""):
        for feed, data in ((line.session.from_client, said), (line.session.from_server, answer)):
            if data and not line.wires.broken:
                feed(data)
    if not watched:
        assert (bytes(line.wires.up), bytes(line.wires.down)) == (b"".join(up), b"".join(down))
    assert b"".join(up).startswith(bytes(line.wires.up))
    assert b"".join(down).startswith(bytes(line.wires.down))
    assert bool(line.wires.broken) == ("reset" in line.wires.happened)
