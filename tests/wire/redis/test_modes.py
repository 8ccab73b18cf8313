"""Connections in special modes: subscriptions, RESP3, without replies, raw."""

from __future__ import annotations

import pytest

from overbooked.wire.redis.injection import encoded
from tests.wire.redis.messages import OK, QUEUED, Line, bulk, c, through
from tests.wire.sansio import Keeper


@pytest.fixture
def line(keeper: Keeper) -> Line:
    return Line(keeper)


# Publish and subscribe


@pytest.mark.parametrize("mark", ["*", ">"])
def test_subscribe_answers_once_per_channel(line: Line, keeper: Keeper, mark: str) -> None:
    if mark == ">":
        line.says("HELLO 3")
        line.answers(b"%0\r\n")
    line.says("SUBSCRIBE a b", "GET c")
    keeper.held.go()
    first, second = (bulk("subscribe", name, str(n), mark=mark) for n, name in enumerate("ab", 1))
    assert line.answers(first) == b""
    assert not keeper.answered
    assert line.answers(second) == b""
    keeper.held.deliver()
    assert line.wires.taken_down() == first + second


@pytest.mark.parametrize("mark", ["*", ">"])
def test_messages_answer_nothing(mark: str) -> None:
    keeper = through()
    line = Line(keeper)
    if mark == ">":
        line.says("HELLO 3")
        line.answers(b"%0\r\n")
    line.says("SUBSCRIBE a")
    line.answers(bulk("subscribe", "a", "1", mark=mark))
    keeper.delivers = False
    line.says("PING")
    message = bulk("message", "a", "hi", mark=mark)
    assert line.answers(message) == message
    line.answers(bulk("pong", ""), message)
    assert [reply.summary for reply in keeper.replies][1:] == ["array of 2"]
    keeper.held.deliver()
    assert line.wires.taken_down() == bulk("pong", "") + message


def test_an_array_is_no_message_once_nothing_is_subscribed() -> None:
    keeper = through()
    line = Line(keeper)
    line.says("SUBSCRIBE a", "UNSUBSCRIBE", "LRANGE l 0 -1")
    line.answers(bulk("subscribe", "a", "1"))
    line.answers(bulk("message", "a", "hi"), bulk("unsubscribe", "a", "0"))
    line.answers(bulk("message", "a", "hi"))
    assert len(keeper.replies) == 3


def test_unsubscribe_without_names_answers_once_per_channel_left_or_once() -> None:
    keeper = through()
    line = Line(keeper)
    line.says("SUBSCRIBE a b", "PSUBSCRIBE c*", "UNSUBSCRIBE", "UNSUBSCRIBE")
    line.answers(bulk("subscribe", "a", "1"), bulk("subscribe", "b", "2"))
    line.answers(bulk("psubscribe", "c*", "3"))
    line.answers(bulk("unsubscribe", "a", "2"))
    assert len(keeper.replies) == 2
    line.answers(bulk("unsubscribe", "b", "1"))
    assert len(keeper.replies) == 3
    line.answers(b"*3\r\n$11\r\nunsubscribe\r\n$-1\r\n:1\r\n")
    assert len(keeper.replies) == 4


def test_a_push_between_the_answers_of_a_subscribe_keeps_its_place(line: Line, keeper: Keeper) -> None:
    line.says("HELLO 3")
    line.answers(b"%0\r\n")
    line.says("SUBSCRIBE a b")
    keeper.held.go()
    pushes = [
        bulk("subscribe", "a", "1", mark=">"),
        bulk("message", "a", "hi", mark=">"),
        bulk("subscribe", "b", "2", mark=">"),
    ]
    line.answers(*pushes)
    keeper.held.deliver()
    assert line.wires.taken_down() == b"".join(pushes)


def test_a_refused_subscribe_answers_once() -> None:
    keeper = through()
    line = Line(keeper)
    line.says("SUBSCRIBE a b")
    line.answers(b"-NOPERM no\r\n")
    assert keeper.replies[0].error == "NOPERM"


def test_a_subscribe_within_multi_answers_as_often_in_exec() -> None:
    keeper = through()
    line = Line(keeper)
    line.says("MULTI", "SUBSCRIBE a b", "EXEC", "PING")
    line.answers(OK)
    line.answers(QUEUED)
    line.answers(b"*1\r\n" + bulk("subscribe", "a", "1"))
    assert len(keeper.replies) == 2
    line.answers(bulk("subscribe", "b", "2"))
    assert keeper.texts[-1] == "PING"


# Modes of a connection


def test_silenced_commands_are_answered_at_once_by_nothing(line: Line, keeper: Keeper) -> None:
    line.says("CLIENT REPLY OFF", "SET a 1", "CLIENT REPLY ON", "GET a")
    assert keeper.texts == ["SET a 1"]
    keeper.held.go()
    assert keeper.replies[0].summary == "no reply"
    keeper.held.deliver()
    assert line.wires.taken_up() == c("SET a 1") + c("CLIENT REPLY ON")
    assert line.answers(OK) == OK
    assert keeper.texts == ["SET a 1", "GET a"]


def test_a_skipped_answer_is_of_the_next_command_only() -> None:
    keeper = through()
    line = Line(keeper)
    line.says("CLIENT REPLY SKIP", "SET a 1", "GET a")
    assert line.answers(b"$1\r\n1\r\n") == b"$1\r\n1\r\n"
    assert [reply.summary for reply in keeper.replies] == ["no reply", "string"]


def test_monitor_is_passed_through_from_its_answer_on(line: Line, keeper: Keeper) -> None:
    assert line.says("MONITOR") == c("MONITOR")
    assert line.answers(OK, b"+1 [0 lua] no RESP \n") == OK + b"+1 [0 lua] no RESP \n"
    assert line.answers(b"anything") == b"anything"
    assert line.says("QUIT") == c("QUIT")
    assert not keeper.asked


def test_replication_is_passed_through(line: Line) -> None:
    line.says("PSYNC ? -1")
    assert line.answers(b"+FULLRESYNC x 0\r\n$3\r\nRDB") == b"+FULLRESYNC x 0\r\n$3\r\nRDB"


def test_reset_takes_the_connection_back_to_its_beginning() -> None:
    keeper = through()
    line = Line(keeper)
    line.says("SUBSCRIBE a", "CLIENT REPLY OFF", "RESET", "LRANGE l 0 -1")
    line.answers(bulk("subscribe", "a", "1"))
    line.answers(b"+RESET\r\n")
    line.answers(bulk("message", "a", "hi"))
    assert [reply.summary for reply in keeper.replies][-1] == "array of 3"


def test_subscribing_in_silence_is_answered_by_pushes_all_the_same(line: Line, keeper: Keeper) -> None:
    line.says("HELLO 3", "CLIENT REPLY OFF")
    line.answers(b"%0\r\n")
    line.says("SUBSCRIBE a")
    keeper.held.go()
    confirmed = bulk("subscribe", "a", "1", mark=">")
    keeper.held.deliver()
    assert line.answers(confirmed) == confirmed
    assert keeper.replies[0].summary == "no reply"


def test_a_mode_that_there_is_not_is_answered_by_an_error() -> None:
    keeper = through()
    line = Line(keeper)
    line.says("CLIENT REPLY LOUD", "CLIENT REPLY SKIP", "CLIENT REPLY LOUD", "GET a")
    line.answers(b"-ERR syntax error\r\n")
    line.answers(b"$-1\r\n")
    assert [reply.summary for reply in keeper.replies] == ["nil"]


def test_an_error_of_resp3s_long_kind_is_an_error() -> None:
    keeper = through()
    line = Line(keeper)
    line.says("GET a")
    line.answers(b"!10\r\nBUSY  wait\r\n")
    assert (keeper.replies[0].error, keeper.replies[0].summary) == ("BUSY", "BUSY  wait")


@pytest.mark.parametrize(
    ("command", "shape"),
    [
        ("MGET a:1 a:2 b:3", "MGET a:? b:?"),
        ("MSET a:1 x b:2 y", "MSET a:? ? b:? ?"),
        ("BLPOP q:1 q:2 5", "BLPOP q:? ?"),
        ("LMOVE q:1 q:2 LEFT RIGHT", "LMOVE q:? LEFT RIGHT"),
        ("EVALSHA ABCDEF0123456789 2 k:1 l:2 v w", "EVALSHA abcdef012345 2 k:? l:? ?"),
        ("EVALSHA abc many k:1", "EVALSHA abc many ?"),
        ("FCALL claim 1 slot:9 ana", "FCALL claim 1 slot:? ?"),
        ("ZUNION 2 z:1 z:2 WITHSCORES", "ZUNION ? z:? WITHSCORES"),
        ("XREAD COUNT 2 STREAMS s:1 t:2 0-0 0-0", "XREAD COUNT ? STREAMS s:? t:? ?"),
        ("XREAD COUNT 2", "XREAD COUNT ?"),
        ("XGROUP CREATE s:1 g $", "XGROUP CREATE s:? ?"),
        ("CONFIG GET maxmemory", "CONFIG GET ?"),
        ("PING", "PING"),
        ("ECHO hello", "ECHO ?"),
        ("set session:01ARZ3NDEKTSV4RRFFQ69G5FAV x ex 30", "SET session:? ? EX ?"),
        ("GET t:2f1c9a70-8f14-4a7e-9d3b-0c9f7f7c0a11:v1", "GET t:?:v1"),
        ("GET s:dGhpc0lzQVNlc3Npb25Ub2tlbi13aXRoLW1hbnk", "GET s:?"),
    ],
)
def test_ids_and_values_are_taken_out_of_a_shape(command: str, shape: str) -> None:
    keeper = through()
    line = Line(keeper)
    line.says("GET warm")
    line.answers(b"$-1\r\n")
    line.says(command)
    assert keeper.boundaries[-1].shape == shape


def test_a_long_text_is_cut_and_an_odd_one_quoted(line: Line, keeper: Keeper) -> None:
    line.session.from_client(encoded((b"SET", b"a b", b"\xff" + b"x" * 5000)))
    boundary = keeper.held.boundary
    assert boundary.text.startswith("SET 'a b' '\\\\xffxxx")
    assert len(boundary.text) < 4200
    assert boundary.values[1] == "\\xff" + "x" * 5000
