"""An HTTP/1.1 connection at the gate: observed, held, failed; requests matched with their answers."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import zip_longest

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.wire.boundary import FaultKind
from harness.wire.http.exchange import KEPT_BYTES
from harness.wire.http.session import HttpSession
from tests.wire.sansio import Keeper, Wires

GET = b"GET /slots/7?page=2 HTTP/1.1\r\nHost: a\r\nX-Trace: t\r\n\r\n"
POST = b"POST /bookings HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
CREATED = b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"
UPGRADE = b"GET /live HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
SWITCHING = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
EXPECTING = b"PUT /u HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Line:
    """A session with its two ends and its clock in a test's hands."""

    def __init__(self, keeper: Keeper | None = None) -> None:
        self.wires = Wires(link="app->provider", keeper=keeper)
        self.now_s = 0.0
        self.session = HttpSession(self.wires, clock=lambda: self.now_s)

    def says(self, data: bytes) -> bytes:
        """The client sends this; what the server was sent."""
        self.session.from_client(data)
        return self.wires.taken_up()

    def answers(self, data: bytes) -> bytes:
        """The server sends this; what the client was sent."""
        self.session.from_server(data)
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


# Failing


def test_a_refused_request_is_answered_with_a_problem_and_not_sent(line: Line, keeper: Keeper) -> None:
    line.says(POST + GET)
    keeper.held.fail(FaultKind.ERROR, code="429", message="slow down")
    head, _, body = line.wires.taken_down().partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 429 Too Many Requests\r\ncontent-type: application/problem+json\r\n")
    assert json.loads(body) == {
        "type": "about:blank",
        "title": "Too Many Requests",
        "status": 429,
        "detail": "slow down",
    }
    assert line.wires.taken_up() == b""
    assert keeper.texts == ["POST /bookings", "GET /slots/7?page=2"]


def test_a_refused_head_has_no_body(line: Line, keeper: Keeper) -> None:
    line.says(GET.replace(b"GET", b"HEAD"))
    keeper.held.fail(FaultKind.ERROR)
    told = line.wires.taken_down()
    assert told.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
    assert told.endswith(b"\r\n\r\n")


def test_a_request_refused_before_it_was_whole_ends_the_connection(line: Line, keeper: Keeper) -> None:
    line.session.from_client(
        b"POST /u HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % (2 * KEPT_BYTES) + b"x" * KEPT_BYTES
    )
    keeper.held.fail(FaultKind.ERROR, code="599")
    assert b"599 Refused\r\n" in line.wires.down
    assert b"connection: close" in line.wires.down
    assert line.wires.happened[-1] == "close"


@pytest.mark.parametrize("code", ["200", "abc", "600", "5\r\n"])
def test_a_code_is_a_status_of_failure(line: Line, keeper: Keeper, code: str) -> None:
    line.says(GET)
    with pytest.raises(ValueError, match="from 400 to 599"):
        keeper.held.fail(FaultKind.ERROR, code=code)


def test_reset_before_the_server_saw_it(line: Line, keeper: Keeper) -> None:
    line.says(POST)
    keeper.held.fail(FaultKind.RESET_BEFORE)
    assert (line.wires.taken_up(), line.wires.happened) == (b"", ["reset"])


def test_executed_but_the_answer_lost(line: Line, keeper: Keeper) -> None:
    line.says(POST)
    keeper.held.go()
    line.answers(CREATED)
    keeper.held.lose()
    assert (line.wires.taken_up(), line.wires.taken_down()) == (POST, b"")
    assert line.wires.happened == ["reset"]


def test_a_stalled_request_goes_nowhere_until_the_client_gives_up(line: Line, keeper: Keeper) -> None:
    line.says(POST)
    keeper.held.fail(FaultKind.STALL)
    line.session.client_ended()
    assert (line.wires.taken_up(), line.wires.happened) == (b"", ["close"])
    line.session.over()
    assert keeper.losses == [("app->provider", 1, keeper.held)]


def test_an_answer_comes_in_pieces(line: Line, keeper: Keeper) -> None:
    line.says(GET + GET)
    keeper.held.go()
    line.answers(OK)
    keeper.held.deliver(pieces=3, pause_s=0.01)
    told = [line.wires.taken_down()]
    while line.wires.alarms:
        assert len(keeper.asked) == 1
        line.wires.ring()
        told.append(line.wires.taken_down())
    assert (len(told), b"".join(told)) == (3, OK)
    assert len(keeper.asked) == 2


# The gate opens, and ends


@pytest.mark.parametrize("stage", ["coming", "asked", "stalled", "sent", "answered", "trickling"])
def test_whatever_is_held_is_passed_on_when_the_gate_opens(line: Line, keeper: Keeper, stage: str) -> None:
    line.session.from_client(POST[:-1] if stage == "coming" else POST + GET)
    if stage == "stalled":
        keeper.held.fail(FaultKind.STALL)
    if stage in {"sent", "answered", "trickling"}:
        keeper.held.go()
    if stage in {"answered", "trickling"}:
        line.session.from_server(CREATED)
    if stage == "trickling":
        keeper.held.deliver(pieces=3, pause_s=1)
    line.engages(None)
    if stage == "coming":
        line.session.from_client(POST[-1:] + GET)
    if stage not in {"answered", "trickling"}:
        line.session.from_server(CREATED)
    line.session.from_server(OK)
    assert line.wires.up == POST + GET
    assert line.wires.down == CREATED + OK
    assert len(keeper.asked) == (stage != "coming")
    assert line.says(GET).endswith(GET)


def test_the_clients_end_is_passed_on_after_what_it_said(line: Line, keeper: Keeper) -> None:
    line.says(GET)
    line.session.client_ended()
    assert line.wires.happened == []
    keeper.held.go()
    assert line.wires.taken_up() == GET
    line.answers(OK)
    assert line.wires.happened == ["end to server"]
    keeper.held.deliver()
    assert line.wires.taken_down() == OK


def test_a_client_that_goes_while_it_is_served_is_seen_to_go(line: Line, keeper: Keeper) -> None:
    line.says(GET)
    keeper.held.go()
    line.session.client_ended()
    assert line.wires.happened == ["end to server"]


def test_half_a_request_of_a_client_that_has_gone_is_passed_on(line: Line, keeper: Keeper) -> None:
    line.says(POST[:-1])
    line.session.client_ended()
    assert (line.wires.taken_up(), line.wires.happened) == (POST[:-1], ["end to server"])
    assert not keeper.asked


# Violations


def spoil_client(line: Line) -> None:
    line.session.from_client(b"hello\r\n")


def spoil_server(line: Line) -> None:
    line.session.from_server(b"+OK\r\n")


def speak_tls(line: Line) -> None:
    line.session.from_client(b"\x16\x03\x01\x02\x00\x01")


@pytest.mark.parametrize("spoil", [spoil_client, spoil_server, speak_tls])
def test_who_speaks_no_http_is_told_and_reset(
    line: Line, keeper: Keeper, spoil: Callable[[Line], None]
) -> None:
    spoil(line)
    assert line.wires.happened == ["reset"]
    assert "app->provider" in keeper.troubles[0]


@pytest.mark.parametrize("spoil", [spoil_client, spoil_server, speak_tls])
def test_without_a_keeper_it_is_passed_on_and_told_to_the_next(
    keeper: Keeper, spoil: Callable[[Line], None]
) -> None:
    line = Line()
    spoil(line)
    line.session.from_client(b"more")
    line.session.from_server(b"more")
    line.session.client_ended()
    line.session.server_ended()
    assert bytes(line.wires.up).endswith(b"more")
    assert bytes(line.wires.down).endswith(b"more")
    assert line.wires.happened == ["end to server", "end to client"]
    line.engages(keeper)
    line.session.from_client(b"more")
    assert len(keeper.troubles) == 1


# However it comes

EXCHANGES = [
    (GET, OK),
    (POST, CREATED),
    (GET.replace(b"GET", b"HEAD"), b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"),
    (EXPECTING + b"hello", OK),
    (
        b"PUT /u HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nT: 1\r\n\r\n",
        b"HTTP/1.1 204 No\r\n\r\n",
    ),
    (b"\r\n" + GET, b"HTTP/1.1 103 Early Hints\r\n\r\n" + OK),
    (UPGRADE, SWITCHING),
]


def play(up: list[int], down: list[int], keeper: Keeper | None) -> Line:
    """All exchanges, both directions in pieces of these sizes; the server answers what it has got."""
    line = Line(keeper)
    said = b"".join(request for request, _ in EXCHANGES)
    sent = turn = replied = due = 0
    while sent < len(said) or replied < len(EXCHANGES):
        size = up[turn % len(up)]
        line.session.from_client(said[sent : sent + size])
        sent, turn = sent + size, turn + 1
        while replied < len(EXCHANGES) and len(line.wires.up) >= due + len(EXCHANGES[replied][0]):
            request, answer = EXCHANGES[replied]
            for at in range(0, len(answer), down[turn % len(down)]):
                line.session.from_server(answer[at : at + down[turn % len(down)]])
            due, replied = due + len(request), replied + 1
    return line


SIZES = st.lists(st.integers(1, 120), min_size=1, max_size=6)


@given(SIZES, SIZES)
def test_the_same_boundaries_and_bytes_in_any_pieces(up: list[int], down: list[int]) -> None:
    keeper = through()
    line = play(up, down, keeper)
    assert bytes(line.wires.up) == b"".join(request for request, _ in EXCHANGES)
    assert bytes(line.wires.down).replace(CONTINUE, b"") == b"".join(answer for _, answer in EXCHANGES)
    assert [each.verb for each in keeper.boundaries] == ["GET", "POST", "HEAD", "PUT", "PUT", "GET", "GET"]
    assert [reply.summary for reply in keeper.replies] == ["200", "201", "200", "200", "204", "200", "101"]


@given(SIZES, SIZES)
def test_observing_changes_no_byte_in_any_pieces(up: list[int], down: list[int]) -> None:
    line = play(up, down, None)
    assert bytes(line.wires.up) == b"".join(request for request, _ in EXCHANGES)
    assert bytes(line.wires.down) == b"".join(answer for _, answer in EXCHANGES)
    assert line.wires.broken == ""


FRAGMENTS = st.lists(
    st.one_of(
        st.binary(max_size=12),
        st.sampled_from([request for request, _ in EXCHANGES]),
        st.sampled_from([answer for _, answer in EXCHANGES]),
        st.sampled_from(
            [b"0\r\n\r\n", b"\r\n", b"GET ", b"HTTP/1.1 200 OK\r\n\r\n", b"3\r\nabc\r\n", b"HTTP/1.1 1"]
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
    assert bool(line.wires.broken) == ("reset" in line.wires.happened)
