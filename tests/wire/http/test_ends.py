"""HTTP requests that the gate fails, and ends of connections."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import zip_longest

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overbooked.wire.gate.boundary import FaultKind
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
    assert keeper.losses == [("app->payments", 1, keeper.held)]


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
    assert "app->payments" in keeper.troubles[0]


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
