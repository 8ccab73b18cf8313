"""A recorded conversation of each protocol, and random mutations of it."""

from __future__ import annotations

from random import Random

from overbooked.wire.gate.boundary import WireProtocol
from tests.wire.http import messages as http
from tests.wire.postgres.client import SSL_REQUEST, STARTUP, TALK, WELCOME, Exchange, m, row
from tests.wire.redis.messages import OK, QUEUED, bulk, c

_REDIS = (
    Exchange(c("HELLO 3"), bulk("server", "redis", mark="%").replace(b"%2", b"%1")),
    Exchange(c("SET slot:7 taken NX"), OK),
    Exchange(c("INCR a") + c("INCR b") + c("GET c"), b":1\r\n:2\r\n$-1\r\n"),
    Exchange(c("MULTI") + c("LPUSH q 1") + c("EXEC"), OK + QUEUED + b"*1\r\n:1\r\n"),
    Exchange(b"PING\r\n" + b"SET a 'b c'\r\n", b"+PONG\r\n" + OK),
    Exchange(c("EVALSHA 0123 1 a"), b"-NOSCRIPT No matching script\r\n"),
    Exchange(c("CLIENT REPLY SKIP") + c("SET b 1"), b""),
    Exchange(c("SUBSCRIBE one two"), bulk("subscribe", "one", "1") + bulk("subscribe", "two", "2")),
    Exchange(c("UNSUBSCRIBE"), bulk("unsubscribe", "one", "1") + bulk("unsubscribe", "two", "0")),
    Exchange(c("HGETALL h"), b"%1\r\n$1\r\na\r\n,1.5\r\n"),
    Exchange(c("RESET"), b"+RESET\r\n"),
    Exchange(c("GET big"), b"$3000\r\n" + b"x" * 3000 + b"\r\n"),
)
_HTTP = (
    Exchange(http.GET, http.OK),
    Exchange(http.POST, http.CREATED),
    Exchange(http.GET + http.POST, http.OK + http.CREATED),
    Exchange(http.EXPECTING, http.CONTINUE),
    Exchange(b"hello", b"HTTP/1.1 204 No Content\r\n\r\n"),
    Exchange(
        b"POST /u HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX: y\r\n\r\n",
        http.OK,
    ),
    Exchange(http.GET.replace(b"GET", b"HEAD"), b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"),
    Exchange(http.GET, b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n"),
)
# The same with less in it.
_POSTGRES = tuple(
    Exchange(
        one.asks.replace(m("d", b"1\n" * 5000), m("d", b"1\n" * 5)),
        one.answers.replace(row(b"x" * 70_000), row(b"x" * 70)),
    )
    for one in TALK
)
TALKS = {
    WireProtocol.POSTGRES: (Exchange(SSL_REQUEST, b""), Exchange(STARTUP, WELCOME), *_POSTGRES),
    WireProtocol.REDIS: _REDIS,
    WireProtocol.HTTP: _HTTP,
}
_TELLING = {
    WireProtocol.POSTGRES: b"PBDECSHQFXdcfpRKZTGHWAN12nsI\0\0\0\4\5",
    WireProtocol.REDIS: b"*$+-:%~>|_,#(!=\r\n0123'\"",
    WireProtocol.HTTP: b"\r\n :,;0159afGH/1.",
}


def mutated(chance: Random, data: bytes, protocol: WireProtocol) -> bytes:
    """`data` with a few bytes changed, lost, repeated, put in or exchanged."""
    made = bytearray(data)
    for _ in range(chance.randint(1, 3)):
        if not made:
            break
        at, size = chance.randrange(len(made)), chance.choice([1, 1, 2, 5, 40])
        way = chance.randrange(7)
        if way == 0:
            made[at] ^= 1 << chance.randrange(8)
        elif way == 1:
            made[at] = chance.choice(_TELLING[protocol])
        elif way == 2:
            del made[at : at + size]
        elif way == 3:
            made[at:at] = made[at : at + size]
        elif way == 4:
            made[at:at] = chance.randbytes(size)
        elif way == 5:
            to = chance.randrange(len(made))
            made[at], made[to] = made[to], made[at]
        else:
            del made[at:]
    return bytes(made)


def spoiled(chance: Random, protocol: WireProtocol) -> list[Exchange]:
    """A talk of which some messages were mutated, of one side or of both."""
    up, down = chance.choice([(0.2, 0.0), (0.0, 0.2), (0.15, 0.15)])
    talk = [
        Exchange(
            mutated(chance, one.asks, protocol) if chance.random() < up else one.asks,
            mutated(chance, one.answers, protocol) if chance.random() < down else one.answers,
        )
        for one in TALKS[protocol]
    ]
    if protocol is not WireProtocol.POSTGRES:
        return talk[chance.choice([0, chance.randrange(len(talk))]) :]
    if chance.random() < 0.8:  # else few would come to more than their first message
        talk[:2] = TALKS[protocol][:2]
    return talk[chance.choice([0, 1]) :]


def pieces(chance: Random, data: bytes) -> list[bytes]:
    """`data` as it may be read, in pieces of any size."""
    sizes = chance.choice([(1, 5), (1, 300), (200, 90_000)])
    found = []
    at = 0
    while at < len(data):
        size = chance.randint(*sizes)
        found.append(data[at : at + size])
        at += size
    return found
