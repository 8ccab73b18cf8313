"""Redis commands that the gate fails."""

from __future__ import annotations

import pytest

from overbooked.errors import NotSupported
from overbooked.wire.gate.boundary import FaultKind
from tests.wire.redis.messages import OK, QUEUED, Line, bulk, c
from tests.wire.sansio import Failing, Keeper


@pytest.fixture
def line(keeper: Keeper) -> Line:
    return Line(keeper)


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
