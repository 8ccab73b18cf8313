"""HTTP requests at the gate: observed, and held one by one."""

from __future__ import annotations

import pytest

from overbooked.wire.http.exchange import KEPT_BYTES
from tests.wire.http.messages import (
    CONTINUE,
    CREATED,
    EXPECTING,
    GET,
    OK,
    POST,
    SWITCHING,
    UPGRADE,
    Line,
    through,
)
from tests.wire.sansio import Keeper


@pytest.fixture
def line(keeper: Keeper) -> Line:
    return Line(keeper)


# Observing


def test_without_a_keeper_bytes_go_on_as_they_come() -> None:
    line = Line()
    assert line.says(POST[:20]) == POST[:20]
    assert line.says(POST[20:]) == POST[20:]
    assert line.answers(CREATED[:30]) == CREATED[:30]
    assert line.answers(CREATED[30:]) == CREATED[30:]


def test_a_keeper_that_comes_in_the_middle_begins_with_the_next_request(keeper: Keeper) -> None:
    line = Line()
    assert line.says(POST[:-2]) == POST[:-2]
    line.engages(keeper)
    assert line.says(POST[-2:] + GET) == POST[-2:]
    assert not keeper.asked
    assert line.answers(OK) == OK
    assert keeper.texts == ["GET /slots/7?page=2"]


def test_a_keeper_that_comes_within_a_head_begins_with_the_next_request(keeper: Keeper) -> None:
    line = Line()
    assert line.says(GET[:9]) == GET[:9]
    line.engages(keeper)
    assert line.says(GET[9:]) == GET[9:]
    assert line.answers(OK) == OK
    assert not keeper.asked


def test_an_answer_begun_before_the_keeper_came_is_not_told_twice(keeper: Keeper) -> None:
    line = Line()
    line.says(GET)
    assert line.answers(OK[:12]) == OK[:12]
    line.engages(keeper)
    assert line.answers(OK[12:]) == OK[12:]


# Holding


def test_a_request_is_held_whole_until_it_may_go_and_so_is_its_answer(line: Line, keeper: Keeper) -> None:
    assert line.says(POST[:-1]) == b""
    assert not keeper.asked
    line.says(POST[-1:])
    boundary = keeper.held.boundary
    assert (boundary.verb, boundary.text, boundary.size_bytes) == ("POST", "POST /bookings", len(POST))
    assert boundary.headers == {"host": "a", "content-length": "5"}
    keeper.held.go()
    assert line.wires.taken_up() == POST
    assert line.answers(CREATED[:-1]) == b""
    assert not keeper.answered
    assert line.answers(CREATED[-1:]) == b""
    assert keeper.replies[0].summary == "201"
    assert keeper.replies[0].error == ""
    keeper.held.deliver()
    assert line.wires.taken_down() == CREATED


@pytest.mark.parametrize(
    ("target", "shape"),
    [
        ("/slots/7?page=2&q=x", "GET /slots/?" + "?page=?&q=?"),
        ("/api/v1/b/2f1c9a70-8f14-4a7e-9d3b-0c9f7f7c0a11/pay", "GET /api/v1/b/?/pay"),
        ("http://host:80/a/deadbeef01", "GET /a/?"),
        ("/t/pi_3MtwBwLkdIwHu7ix28a3tqPa", "GET /t/pi_?"),
        ("/health", "GET /health"),
        ("/x?flag", "GET /x?flag"),
    ],
)
def test_ids_are_taken_out_of_a_shape(line: Line, keeper: Keeper, target: str, shape: str) -> None:
    line.says(f"GET {target} HTTP/1.1\r\n\r\n".encode())
    assert keeper.held.boundary.shape == shape


def test_pipelined_requests_are_held_one_by_one_and_answered_in_order(line: Line, keeper: Keeper) -> None:
    assert line.says(POST + GET) == b""
    assert keeper.texts == ["POST /bookings"]
    keeper.held.go()
    assert line.wires.taken_up() == POST
    line.answers(CREATED)
    assert len(keeper.asked) == 1
    keeper.held.deliver()
    assert keeper.texts == ["POST /bookings", "GET /slots/7?page=2"]
    keeper.held.go()
    assert (line.wires.taken_up(), line.wires.taken_down()) == (GET, CREATED)
    line.answers(OK)
    keeper.held.deliver()
    assert line.wires.taken_down() == OK


def test_answers_without_a_body_are_whole_by_their_head() -> None:
    keeper = through()
    line = Line(keeper)
    line.says(GET.replace(b"GET", b"HEAD"))
    line.answers(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n")
    line.says(GET)
    line.answers(b"HTTP/1.1 304 Not Modified\r\n\r\n")
    line.says(GET)
    line.answers(b"HTTP/1.1 204 No Content\r\n\r\n")
    assert [reply.summary for reply in keeper.replies] == ["200", "304", "204"]


def test_an_early_answer_is_matched_while_the_body_still_comes() -> None:
    line = Line()
    line.says(POST[:-3])
    refused = b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n"
    assert line.answers(refused) == refused
    assert line.says(POST[-3:]) == POST[-3:]
    keeper = through()
    line.engages(keeper)
    line.says(GET)
    line.answers(OK)
    assert [reply.summary for reply in keeper.replies] == ["200"]


def test_early_hints_belong_to_the_answer(line: Line, keeper: Keeper) -> None:
    line.says(GET)
    keeper.held.go()
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n"
    assert line.answers(hints) == b""
    assert not keeper.answered
    line.answers(OK)
    keeper.held.deliver()
    assert line.wires.taken_down() == hints + OK


def test_a_body_that_waits_for_100_is_asked_for_by_the_gate(line: Line, keeper: Keeper) -> None:
    line.session.from_client(EXPECTING)
    assert (line.wires.taken_up(), line.wires.taken_down()) == (b"", CONTINUE)
    line.says(b"hello")
    keeper.held.go()
    assert line.wires.taken_up() == EXPECTING + b"hello"
    assert line.answers(CONTINUE + OK) == b""
    keeper.held.deliver()
    assert line.wires.taken_down() == OK


def test_a_100_too_many_is_swallowed_also_when_the_gate_opens(line: Line) -> None:
    line.session.from_client(EXPECTING)
    line.wires.taken_down()
    line.engages(None)
    assert line.wires.taken_up() == EXPECTING
    assert line.answers(CONTINUE) == b""
    assert line.says(b"hello") == b"hello"
    assert line.answers(OK) == OK
    assert line.says(GET) == GET


def test_a_client_that_does_not_wait_for_100_is_told_what_the_server_says(line: Line, keeper: Keeper) -> None:
    line.says(EXPECTING + b"hello")
    keeper.held.go()
    line.answers(CONTINUE + OK)
    keeper.held.deliver()
    assert line.wires.taken_down() == CONTINUE + OK


def test_without_a_keeper_100_is_the_servers_affair() -> None:
    line = Line()
    assert line.says(EXPECTING) == EXPECTING
    assert line.answers(CONTINUE) == CONTINUE
    assert line.says(b"hello") == b"hello"
    assert line.answers(OK) == OK


def test_after_an_upgrade_everything_passes(line: Line, keeper: Keeper) -> None:
    line.says(UPGRADE)
    keeper.held.go()
    assert line.answers(SWITCHING + b"\x81\x02hi") == b""
    assert keeper.replies[0].summary == "101"
    assert line.answers(b"\x81\x02yo") == b""
    keeper.held.deliver()
    assert line.wires.taken_down() == SWITCHING + b"\x81\x02hi\x81\x02yo"
    line.wires.taken_up()
    assert line.says(b"\x81\x82abcd") == b"\x81\x82abcd"
    assert line.answers(b"GET / HTTP/1.1\r\n") == b"GET / HTTP/1.1\r\n"
    assert len(keeper.asked) == 1


def test_after_an_upgrade_that_was_observed_everything_passes(keeper: Keeper) -> None:
    line = Line()
    line.says(UPGRADE)
    assert line.answers(SWITCHING + b"\x81") == SWITCHING + b"\x81"
    line.engages(keeper)
    assert line.answers(b"\x02hi") == b"\x02hi"
    assert line.says(b"\x81\x82abcd") == b"\x81\x82abcd"
    line.session.client_ended()
    line.session.server_ended()
    assert line.wires.happened == ["end to server", "end to client"]


def test_events_stream_once_their_head_was_delivered(line: Line, keeper: Keeper) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    line.says(GET)
    keeper.held.go()
    assert line.answers(head) == b""
    keeper.held.deliver()
    assert line.wires.taken_down() == head
    assert line.answers(b"8\r\ndata: 1\n\r\n") == b"8\r\ndata: 1\n\r\n"
    assert line.answers(b"0\r\n\r\n") == b"0\r\n\r\n"
    line.says(GET)
    assert len(keeper.asked) == 2


def test_what_is_too_large_to_keep_streams_once_it_may_go(line: Line, keeper: Keeper) -> None:
    size = KEPT_BYTES + 10
    head = b"POST /u HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % size
    line.session.from_client(head + b"x" * KEPT_BYTES)
    assert line.wires.happened[-1:] == ["hold back"]
    keeper.held.go()
    assert len(line.wires.taken_up()) == len(head) + KEPT_BYTES
    assert line.says(b"y" * 10) == b"y" * 10
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size
    assert line.answers(answer + b"x" * KEPT_BYTES) == b""
    keeper.held.deliver()
    assert len(line.wires.taken_down()) == len(answer) + KEPT_BYTES
    assert line.answers(b"y" * 10) == b"y" * 10
    line.says(GET)
    assert keeper.texts[1:] == ["GET /slots/7?page=2"]


# The server's side goes while a request is held


def test_a_request_held_too_long_goes_on_a_new_connection(line: Line, keeper: Keeper) -> None:
    line.says(GET)
    line.now_s = 4.9
    keeper.held.go()
    assert (line.wires.reconnects, line.wires.taken_up()) == (1, GET)
    line.answers(OK)
    keeper.held.deliver()
    line.says(GET)
    keeper.held.go()
    assert line.wires.reconnects == 1


def test_a_connection_that_was_dropped_under_a_held_request_is_made_anew(line: Line, keeper: Keeper) -> None:
    line.says(GET)
    line.session.server_ended()
    assert line.wires.happened == []
    keeper.held.go()
    assert (line.wires.reconnects, line.wires.taken_up()) == (1, GET)
    line.answers(OK)
    keeper.held.deliver()
    assert (line.wires.taken_down(), line.wires.happened) == (OK, [])


def test_an_idle_connection_that_the_server_drops_is_dropped(line: Line) -> None:
    line.session.server_ended()
    assert line.wires.happened == ["end to client"]


def test_a_server_that_dies_before_it_has_answered_is_told_as_it_is(line: Line, keeper: Keeper) -> None:
    line.says(GET)
    keeper.held.go()
    line.session.from_server(OK[:-1])
    line.session.server_ended()
    assert (line.wires.taken_down(), line.wires.happened) == (OK[:-1], ["end to client"])


def test_an_answer_that_lasts_to_the_end_is_whole_then(line: Line, keeper: Keeper) -> None:
    line.says(GET)
    keeper.held.go()
    answer = b"HTTP/1.0 200 OK\r\n\r\nhello"
    line.session.from_server(answer)
    assert not keeper.answered
    line.session.server_ended()
    keeper.held.deliver()
    assert (line.wires.taken_down(), line.wires.happened) == (answer, ["end to client"])


def test_the_end_after_connection_close_comes_after_the_answer(line: Line, keeper: Keeper) -> None:
    closing = OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    line.says(GET + GET)
    keeper.held.go()
    line.answers(closing)
    line.session.server_ended()
    assert line.wires.happened == []
    keeper.held.deliver()
    assert (line.wires.taken_down(), line.wires.happened) == (closing, ["end to client"])
    assert len(keeper.asked) == 1


def test_an_answer_that_nobody_asked_for_is_passed_on(line: Line, keeper: Keeper) -> None:
    late = b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    assert line.answers(late) == late
    assert not keeper.troubles
