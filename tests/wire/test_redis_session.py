"""A Redis connection at the gate: observed, held, failed; answers matched with their commands."""

from __future__ import annotations

from collections.abc import Callable
from itertools import zip_longest

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import NotSupported
from harness.wire.boundary import FaultKind
from harness.wire.redis.refusing import encoded
from harness.wire.redis.session import RedisSession
from tests.wire.sansio import Failing, Keeper, Wires

OK = b"+OK\r\n"
QUEUED = b"+QUEUED\r\n"


def c(line: str) -> bytes:
    """A command as a driver sends it."""
    return encoded(tuple(line.encode().split()))


def bulk(*parts: str, mark: str = "*") -> bytes:
    """An array of strings, or a push."""
    return f"{mark}{len(parts)}\r\n".encode() + b"".join(
        f":{part}\r\n".encode() if part.isdigit() else f"${len(part)}\r\n{part}\r\n".encode()
        for part in parts
    )


class Line:
    """A session with its two ends in a test's hands."""

    def __init__(self, keeper: Keeper | None = None) -> None:
        self.wires = Wires(keeper=keeper)
        self.session = RedisSession(self.wires)

    def says(self, *lines: str) -> bytes:
        """The client sends these commands at once; what the server was sent."""
        self.session.from_client(b"".join(c(line) for line in lines))
        return self.wires.taken_up()

    def answers(self, *values: bytes) -> bytes:
        """The server sends these values at once; what the client was sent."""
        self.session.from_server(b"".join(values))
        return self.wires.taken_down()

    def engages(self, keeper: Keeper | None) -> None:
        self.wires.keeper = keeper
        self.session.gate_changed()


@pytest.fixture
def keeper() -> Keeper:
    return Keeper()


@pytest.fixture
def line(keeper: Keeper) -> Line:
    return Line(keeper)


def through() -> Keeper:
    return Keeper(lets_go=True, delivers=True)


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


# Failing


def test_a_refused_command_is_not_sent(line: Line, keeper: Keeper) -> None:
    line.says("SET a 1", "GET a")
    keeper.held.fail(FaultKind.ERROR, code="OOM")
    assert line.wires.taken_down() == b"-OOM command not allowed when used memory > 'maxmemory'.\r\n"
    assert line.wires.taken_up() == b""
    assert keeper.texts == ["SET a 1", "GET a"]


def test_a_message_of_ones_own_stays_on_its_line(line: Line, keeper: Keeper) -> None:
    line.says("SET a 1")
    keeper.held.fail(FaultKind.ERROR, message="one\r\ntwo")
    assert line.wires.taken_down() == b"-ERR one two\r\n"


def test_a_command_refused_within_multi_makes_the_server_abort_exec() -> None:
    keeper = Failing(verb="INCR", code="OOM", message="no memory")
    line = Line(keeper)
    line.says("MULTI", "SET a 1", "INCR b", "EXEC")
    line.answers(OK)
    line.answers(QUEUED)
    assert line.wires.taken_up() == c("SET a 1") + c("OVERBOOKED.REFUSED")
    assert line.answers(b"-ERR unknown command\r\n") == b"-OOM no memory\r\n"
    assert line.wires.taken_up() == c("EXEC")
    aborted = b"-EXECABORT Transaction discarded because of previous errors.\r\n"
    assert line.answers(aborted) == aborted


def test_a_refused_exec_is_discarded_at_the_server() -> None:
    keeper = Failing(verb="EXEC", code="READONLY")
    line = Line(keeper)
    line.says("MULTI", "SET a 1", "EXEC", "GET a")
    line.answers(OK)
    line.answers(QUEUED)
    assert line.wires.taken_up() == c("SET a 1") + c("DISCARD")
    told = line.answers(OK)
    assert told.startswith(b"-EXECABORT Transaction discarded because of: READONLY ")
    assert not keeper.boundaries[-1].in_transaction


def test_multi_itself_is_not_refused(line: Line, keeper: Keeper) -> None:
    line.says("MULTI", "SET a 1", "EXEC")
    with pytest.raises(NotSupported, match="fail one of these, or EXEC"):
        keeper.held.fail(FaultKind.ERROR)
    keeper.held.go()
    assert line.wires.taken_up() == c("MULTI")


def test_a_refused_discard_leaves_multi_as_it_was() -> None:
    keeper = Failing(verb="DISCARD")
    line = Line(keeper)
    line.says("MULTI", "DISCARD", "GET a")
    assert line.answers(OK) == OK + b"-ERR refused by the gate\r\n"
    assert keeper.boundaries[-1].in_transaction


def test_a_refused_command_that_nobody_answers_is_dropped(line: Line, keeper: Keeper) -> None:
    line.says("CLIENT REPLY SKIP", "SET a 1", "GET a")
    keeper.held.fail(FaultKind.ERROR)
    assert line.wires.taken_down() == b""
    keeper.held.go()
    assert line.answers(b"$-1\r\n") == b""
    assert keeper.texts == ["SET a 1", "GET a"]
    assert keeper.replies[-1].summary == "nil"


def test_a_code_is_a_word_in_upper_case(line: Line, keeper: Keeper) -> None:
    line.says("SET a 1")
    with pytest.raises(ValueError, match="upper case"):
        keeper.held.fail(FaultKind.ERROR, code="no\r\n+OK")


def test_reset_before_the_server_saw_it(line: Line, keeper: Keeper) -> None:
    line.says("SET a 1")
    keeper.held.fail(FaultKind.RESET_BEFORE)
    assert line.wires.taken_up() == b""
    assert line.wires.happened == ["reset"]


def test_executed_but_the_answer_lost(line: Line, keeper: Keeper) -> None:
    line.says("SET a 1")
    keeper.held.go()
    line.answers(OK)
    keeper.held.lose()
    assert line.wires.taken_up() == c("SET a 1")
    assert line.wires.taken_down() == b""
    assert line.wires.happened == ["reset"]


def test_a_stalled_command_goes_nowhere_until_the_client_gives_up(line: Line, keeper: Keeper) -> None:
    line.says("SET a 1")
    keeper.held.fail(FaultKind.STALL)
    line.session.client_ended()
    assert (line.wires.taken_up(), line.wires.happened) == (b"", ["close"])
    line.session.over()
    assert keeper.losses == [("app->redis", 1, keeper.held)]


def test_a_stalled_command_is_passed_on_when_the_gate_opens(line: Line, keeper: Keeper) -> None:
    line.says("SET a 1", "GET a")
    keeper.held.fail(FaultKind.STALL)
    line.engages(None)
    assert line.wires.taken_up() == c("SET a 1") + c("GET a")


def test_an_answer_comes_in_pieces_and_what_is_behind_it_waits(line: Line, keeper: Keeper) -> None:
    line.says("HELLO 3")
    line.answers(b"%0\r\n")
    line.says("GET a", "GET b")
    keeper.held.go()
    line.answers(b"$4\r\nabcd\r\n")
    keeper.held.deliver(pieces=2, pause_s=0.01)
    assert line.wires.taken_down() == b"$4\r\na"
    push = bulk("invalidate", "a", mark=">")
    assert line.answers(push) == b""
    assert keeper.texts == ["GET a"]
    line.wires.ring()
    assert line.wires.taken_down() == b"bcd\r\n" + push
    assert keeper.texts == ["GET a", "GET b"]


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
    keeper.asked[0].go()  # too late, and no harm
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
