"""HTTP/1.1 is framed correctly for any segmentation, and no byte is lost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overbooked.wire.http.framing import (
    Body,
    Head,
    HttpScanner,
    Piece,
    ProtocolError,
    request_body,
    response_body,
)

REQUESTS = [
    b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"\r\nGET /x?y=1 HTTP/1.0\r\nHost: a\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
    b"POST / HTTP/1.1\r\ncontent-length: 0\r\n\r\n",
    b"PUT /u HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhe\r\no\r\n0\r\n\r\n",
    b"PUT /u HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\nA;x=1\r\n0123456789\r\n0\r\nT: 1\r\n\r\n",
    b"OPTIONS * HTTP/1.1\nHost: a\n\n",
]
RESPONSES = [
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    b"HTTP/1.1 204 No Content\r\nContent-Length: 7\r\n\r\n",
    b"HTTP/1.1 304 Not Modified\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n",
    b"HTTP/1.1 201\r\ncontent-length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n0\r\n0\r\n\r\n",
]


def cut(scanner: HttpScanner, stream: bytes, sizes: list[int]) -> list[bytes]:
    """The messages in a stream that comes in pieces of these sizes, over and over."""
    messages, now = [], b""
    at = turn = 0
    while at < len(stream):
        size = sizes[turn % len(sizes)]
        for piece, raw, _ in scanner.feed(stream[at : at + size]):
            now += raw
            if piece is Piece.END:
                messages.append(now)
                now = b""
        at, turn = at + size, turn + 1
    assert now == b""
    return messages


def requests() -> HttpScanner:
    return HttpScanner(responses=False, body_of=request_body)


def responses(method: str = "GET") -> HttpScanner:
    return HttpScanner(responses=True, body_of=lambda head: response_body(head, method))


SIZES = st.lists(st.integers(1, 90), min_size=1, max_size=6)


@given(st.lists(st.sampled_from(REQUESTS)), SIZES)
def test_requests_are_the_same_in_any_pieces(messages: list[bytes], sizes: list[int]) -> None:
    assert cut(requests(), b"".join(messages), sizes) == messages


@given(st.lists(st.sampled_from(RESPONSES)), SIZES)
def test_responses_are_the_same_in_any_pieces(messages: list[bytes], sizes: list[int]) -> None:
    assert cut(responses(), b"".join(messages), sizes) == messages


@given(st.binary(max_size=500), SIZES)
def test_a_body_may_be_anything(body: bytes, sizes: list[int]) -> None:
    by_length = b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    chunk = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
    by_chunks = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n%b0\r\n\r\n" % chunk
    assert cut(requests(), by_length + by_chunks, sizes) == [by_length, by_chunks]


def test_an_answer_to_head_has_no_body() -> None:
    message = b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n"
    assert cut(responses("HEAD"), message * 2, [100]) == [message] * 2


def test_a_body_without_a_length_lasts_to_the_end() -> None:
    scanner = responses()
    pieces = [piece for piece, _, _ in scanner.feed(b"HTTP/1.0 200 OK\r\n\r\nhello")]
    assert pieces == [Piece.HEAD, Piece.BODY]
    assert scanner.ended()


@pytest.mark.parametrize(
    ("message", "method"),
    [
        (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n", "GET"),
        (b"HTTP/1.1 200 OK\r\n\r\n", "CONNECT"),
    ],
)
def test_after_an_upgrade_nothing_is_cut(message: bytes, method: str) -> None:
    scanner = responses(method)
    assert [piece for piece, _, _ in scanner.feed(message + b"\x81\x05hello")] == [Piece.HEAD, Piece.END]
    assert scanner.tunnels
    assert scanner.pending == b"\x81\x05hello"


def test_fields_are_read_as_they_are_meant() -> None:
    ((_, _, head),) = (
        each
        for each in requests().feed(
            b"POST /a HTTP/1.1\r\nX-A: 1\r\nx-a:2\r\nConnection: Keep-Alive, Upgrade\r\n\r\n"
        )
        if each[0] is Piece.HEAD
    )
    assert head is not None
    assert (head.method, head.target) == ("POST", "/a")
    assert head.headers() == {"x-a": "1, 2", "connection": "Keep-Alive, Upgrade"}
    assert head.has(b"connection", b"upgrade")
    assert not head.has(b"connection", b"close")


def test_equal_lengths_are_one() -> None:
    head = Head(b"", (b"POST", b"/", b"1"), {b"content-length": b"5,5"})
    assert request_body(head) == (Body.LENGTH, 5)


@pytest.mark.parametrize(
    "stream",
    [
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01",
        b"\x16\x03\x01\n",
        b"hello\r\n",
        b"GET /a b HTTP/1.1\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n",
        b"GET /" + b"a" * 70_000,
        b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 50_000,
        b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1" * 70_000,
        b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + b"t" * 70_000,
    ],
)
def test_what_is_no_http_is_told(stream: bytes) -> None:
    with pytest.raises(ProtocolError):
        list(requests().feed(stream))


def test_tls_is_told_before_a_line_is_whole() -> None:
    with pytest.raises(ProtocolError, match="TLS"):
        list(requests().feed(b"\x16\x03\x01\x02\x00\x01\x00"))
