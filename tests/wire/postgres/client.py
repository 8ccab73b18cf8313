"""A recorded conversation with PostgreSQL: what a client sends, and what the server answers to each."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from overbooked.wire.postgres.messages import message


def m(kind: str, body: bytes = b"") -> bytes:
    return message(ord(kind), body)


READY, IN, FAILED = (m("Z", letter) for letter in (b"I", b"T", b"E"))
SYNC, FLUSH = m("S"), m("H")
EXECUTE = m("E", b"\0" + b"\0" * 4)
BOUND, PARSED = m("2"), m("1")
SSL_REQUEST = struct.pack(">II", 8, 80877103)
STARTUP = struct.pack(">II", 18, 3 << 16) + b"user\0ana\0\0"
WELCOME = m("R", b"\0" * 4) + m("S", b"TimeZone\0UTC\0") + m("K", struct.pack(">I", 4711) + b"key!") + READY


def query(text: str) -> bytes:
    return m("Q", text.encode() + b"\0")


def parse(text: str, name: str = "") -> bytes:
    return m("P", name.encode() + b"\0" + text.encode() + b"\0\0\0")


def bind(name: str = "", *values: bytes | None) -> bytes:
    body = b"\0" + name.encode() + b"\0\0\0" + struct.pack(">H", len(values))
    for value in values:
        body += struct.pack(">i", -1 if value is None else len(value)) + (value or b"")
    return m("B", body + b"\0\0")


def describe(name: str = "") -> bytes:
    return m("D", b"S" + name.encode() + b"\0")


def done(tag: str) -> bytes:
    return m("C", tag.encode() + b"\0")


def row(value: bytes) -> bytes:
    return m("D", struct.pack(">HI", 1, len(value)) + value)


def error(code: str, severity: str = "ERROR", text: str = "wrong") -> bytes:
    return m("E", f"S{severity}\0V{severity}\0C{code}\0M{text}\0".encode() + b"\0")


@dataclass(frozen=True)
class Exchange:
    """Some of the client's messages, and all that the server sends until it waits for more."""

    asks: bytes
    answers: bytes = b""


HEARD = m("A", b"\0\0\0\1news\0sold out\0")
ROWS = m("T", b"\0\0") + row(b"x" * 70_000) + row(b"") + row(b"yy")

TALK = (
    Exchange(query("SELECT 1"), ROWS + done("SELECT 3") + READY + HEARD),
    Exchange(parse("SELECT $1", "s1") + describe("s1") + FLUSH, PARSED + m("t", b"\0\0") + m("T", b"\0\0")),
    Exchange(bind("s1", b"ana", None) + EXECUTE + SYNC, BOUND + row(b"1") + done("SELECT 1") + READY),
    Exchange(bind("s1", b"ben") + EXECUTE + SYNC, BOUND + done("SELECT 0") + READY),
    Exchange(query(""), m("I") + READY),
    Exchange(query("BEGIN"), done("BEGIN") + IN),
    Exchange(query("COPY t FROM STDIN"), m("G", b"\0\0\0")),
    Exchange(m("d", b"1\n" * 5000)),
    Exchange(m("d", b"2\n")),
    Exchange(m("c"), done("COPY 5001") + IN),
    Exchange(query("COPY t TO STDOUT"), m("H", b"\0\0\0") + m("d", b"1\n") + m("c") + done("COPY 1") + IN),
    Exchange(parse("wrong") + bind() + EXECUTE + SYNC, error("42601") + FAILED),
    Exchange(query("ROLLBACK"), done("ROLLBACK") + READY),
    Exchange(
        parse("INSERT INTO t VALUES (1)") + bind() + EXECUTE + FLUSH, PARSED + BOUND + done("INSERT 0 1")
    ),
    Exchange(SYNC, READY),
    Exchange(m("C", b"Ss1\0") + SYNC, m("3") + READY),
    Exchange(
        parse("COPY t FROM STDIN") + bind() + EXECUTE + SYNC,
        PARSED + BOUND + m("G", b"\0\0\0"),
    ),
    Exchange(m("d", b"3\n") + m("c") + SYNC, done("COPY 1") + READY),
    Exchange(m("F", b"\0\0\0\1" + b"\0" * 8), m("V", b"\xff\xff\xff\xff") + READY),
    Exchange(query("SELECT 2; SELECT 3"), ROWS + done("SELECT 3") + ROWS + done("SELECT 3") + READY),
)

SHAPES = (
    "SELECT ?",
    "SELECT $1",
    "SELECT $1",
    "BEGIN",
    "COPY t FROM STDIN",
    "COPY t FROM STDIN (end of data)",
    "COPY t TO STDOUT",
    "wrong",
    "ROLLBACK",
    "INSERT INTO t VALUES (?)",
    "COMMIT (Sync)",
    "COPY t FROM STDIN",
    "COPY t FROM STDIN (end of data)",
    "function call",
    "SELECT ?",
)
"""The boundaries in it, two SELECTs of one shape in one Query counting once."""
