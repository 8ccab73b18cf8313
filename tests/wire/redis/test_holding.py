"""Redis commands at the gate: observed, and held one by one."""

from __future__ import annotations

import pytest

from tests.wire.redis.messages import OK, QUEUED, Line, c, through
from tests.wire.sansio import Keeper


@pytest.fixture
def line(keeper: Keeper) -> Line:
    return Line(keeper)


# Observing


def test_without_a_keeper_bytes_go_on_as_they_come() -> None:
    line = Line()
    line.session.from_client(b"*1\r\n$4\r\nPI")
    assert line.wires.taken_up() == b"*1\r\n$4\r\nPI"
    line.session.from_client(b"NG\r\n")
    assert line.wires.taken_up() == b"NG\r\n"
    assert line.answers(b"+PO") == b"+PO"
    assert line.answers(b"NG\r\n") == b"NG\r\n"


def test_a_keeper_that_comes_in_the_middle_begins_with_the_next_command(keeper: Keeper) -> None:
    line = Line()
    line.session.from_client(b"*2\r\n$3\r\nGET\r\n$1\r")
    assert line.answers() == b""
    line.wires.taken_up()
    line.engages(keeper)
    line.session.from_client(b"\na\r\n" + c("GET b"))
    assert line.wires.taken_up() == b"\na\r\n"
    assert not keeper.asked
    assert line.answers(b"$1\r\n1\r\n") == b"$1\r\n1\r\n"
    assert keeper.texts == ["GET b"]


def test_an_answer_begun_before_the_keeper_came_is_not_told_twice(keeper: Keeper) -> None:
    line = Line()
    line.says("GET a")
    assert line.answers(b"$5\r\nhe") == b"$5\r\nhe"
    line.engages(keeper)
    assert line.answers(b"llo\r\n") == b"llo\r\n"


# Holding


def test_a_command_is_held_until_it_may_go_and_so_is_its_answer(line: Line, keeper: Keeper) -> None:
    assert line.says("SET slot:7 taken NX") == b""
    boundary = keeper.held.boundary
    assert (boundary.verb, boundary.text, boundary.shape) == ("SET", "SET slot:7 taken NX", "SET slot:? ? NX")
    assert boundary.values == ("slot:7", "taken", "NX")
    assert (boundary.connection, boundary.ordinal, boundary.in_transaction) == (1, 1, False)
    keeper.held.go()
    assert line.wires.taken_up() == c("SET slot:7 taken NX")
    assert line.answers(OK) == b""
    assert keeper.held.reply is not None
    assert keeper.held.reply.summary == "OK"
    keeper.held.deliver()
    assert line.wires.taken_down() == OK


def test_commands_of_a_pipeline_are_held_one_by_one_and_answered_in_order(line: Line, keeper: Keeper) -> None:
    line.says("INCR a", "INCR b", "GET c")
    assert keeper.texts == ["INCR a"]
    for n, text in enumerate(["INCR a", "INCR b", "GET c"]):
        assert keeper.texts[n] == text
        keeper.held.go()
        assert line.wires.taken_up() == c(text)
        assert line.answers(b":%d\r\n" % n) == b""
        keeper.held.deliver()
        assert line.wires.taken_down() == b":%d\r\n" % n
    assert len(keeper.asked) == 3
    assert [reply.summary for reply in keeper.replies] == ["integer 0", "integer 1", "integer 2"]


def test_an_empty_command_is_passed_on_and_answers_nothing(line: Line, keeper: Keeper) -> None:
    line.session.from_client(b"\r\n*0\r\nGET a\r\n")
    assert line.wires.taken_up() == b"\r\n*0\r\n"
    assert keeper.texts == ["GET a"]


def test_a_greeting_is_not_held(line: Line, keeper: Keeper) -> None:
    greeting = [
        "HELLO 3 AUTH default x",
        "CLIENT SETINFO LIB-NAME redis-py",
        "CLIENT SETNAME a",
        "SELECT 1",
        "PING",
    ]
    assert line.says(*greeting) == b"".join(c(each) for each in greeting)
    line.says("GET a")
    assert not keeper.asked
    answers = [b"%0\r\n", OK, OK, OK, b"+PONG\r\n"]
    assert line.answers(*answers) == b"".join(answers)
    assert keeper.texts == ["GET a"]


def test_a_ping_in_the_middle_is_held_and_a_second_hello_is_not() -> None:
    keeper = through()
    line = Line(keeper)
    line.says("GET a")
    line.answers(b"$-1\r\n")
    assert line.says("PING") == c("PING")
    line.answers(b"+PONG\r\n")
    line.says("HELLO 2")
    assert keeper.texts == ["GET a", "PING"]


def test_within_multi_is_known_of_each_command(line: Line, keeper: Keeper) -> None:
    keeper.lets_go = keeper.delivers = True
    line.says("MULTI", "INCR a", "EXEC", "GET a")
    answers = [OK, QUEUED, b"*1\r\n:1\r\n", b"$1\r\n1\r\n"]
    assert b"".join(line.answers(each) for each in answers) == b"".join(answers)
    assert [each.in_transaction for each in keeper.boundaries] == [False, True, True, False]
    assert [reply.in_transaction for reply in keeper.replies] == [True, True, False, False]


@pytest.mark.parametrize("end", ["DISCARD", "EXEC", "RESET"])
def test_what_ends_multi(end: str) -> None:
    keeper = through()
    line = Line(keeper)
    line.says("MULTI", end, "GET a")
    line.answers(OK)
    line.answers({"DISCARD": OK, "EXEC": b"-EXECABORT because\r\n", "RESET": b"+RESET\r\n"}[end])
    assert keeper.boundaries[-1].text == "GET a"
    assert not keeper.boundaries[-1].in_transaction


def test_an_exec_that_a_watch_aborts_answers_nil_and_ends_multi() -> None:
    keeper = through()
    line = Line(keeper)
    line.says("WATCH a", "MULTI", "GET a", "EXEC", "GET b")
    for value in (OK, OK, QUEUED, b"*-1\r\n"):
        line.answers(value)
    assert [reply.summary for reply in keeper.replies] == ["OK", "OK", "QUEUED", "nil"]
    assert not keeper.boundaries[-1].in_transaction


def test_noscript_and_its_fallback_are_two_boundaries_of_one_shape() -> None:
    keeper = through()
    line = Line(keeper)
    script = "return_1"
    sha = "f1c6aee78e0c6bb8b6b5c1c36a5aa4f6ddf6ce2e"
    line.says(f"EVALSHA {sha} 1 slot:1 ana")
    line.answers(b"-NOSCRIPT No matching script. Please use EVAL.\r\n")
    line.says(f"EVAL {script} 1 slot:1 ana")
    line.answers(b":1\r\n")
    assert [each.verb for each in keeper.boundaries] == ["EVALSHA", "EVAL"]
    assert [reply.error for reply in keeper.replies] == ["NOSCRIPT", ""]
    assert keeper.boundaries[0].shape == f"EVALSHA {sha[:12]} 1 slot:? ?"


def test_a_script_has_one_name_by_whichever_command_it_comes() -> None:
    keeper = through()
    line = Line(keeper)
    line.says("EVAL return_1 0")
    line.answers(b":1\r\n")
    sha = keeper.boundaries[0].shape.split()[1]
    line.says("SCRIPT LOAD return_1")
    assert keeper.boundaries[1].shape == f"SCRIPT LOAD {sha}"
