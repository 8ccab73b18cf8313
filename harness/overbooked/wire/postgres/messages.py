"""The messages of PostgreSQL's protocol: their types, what is read from them, and those the gate makes."""

from __future__ import annotations

import re
import struct


class Violation(Exception):
    """What was read is not PostgreSQL's protocol, or not in this order; says what."""


# From the client.
PARSE, BIND, DESCRIBE, EXECUTE, CLOSE = b"PBDEC"
SYNC, FLUSH, QUERY, CALL, TERMINATE = b"SHQFX"
COPY_DATA, COPY_DONE, COPY_FAIL = b"dcf"
PASSWORD = ord("p")
CLIENT_KNOWN = b"PBDECSHQFXdcfp"
CLIENT_KEPT = b"PBDECQp"
CLIENT_SMALL = b"CDEHSXcf"

# From the server; COPY_DATA and COPY_DONE are the same.
AUTHENTICATION, KEY_DATA, NEGOTIATE = b"RKv"
PARSED, BOUND, CLOSED, PARAMETERS, ROW_SHAPE, NO_DATA = b"123tTn"
ROW, COMPLETE, EMPTY, SUSPENDED, CALLED = b"DCIsV"
COPY_IN, COPY_OUT, COPY_BOTH = b"GHW"
ERROR, NOTICE, NOTIFICATION, PARAMETER, READY = b"ENASZ"
SERVER_KNOWN = b"RKv123tTnDCIsVGHWENASZdc"
SERVER_KEPT = b"RKCEZ"
SERVER_ROWS = b"D"

HEAD_BYTES = 5
"""Of a message: its type and its length."""

SSL_REQUEST, GSSENC_REQUEST, CANCEL_REQUEST = 80877103, 80877104, 80877102

_SQLSTATE = re.compile(r"[0-9A-Z]{5}")


def printable(kind: int) -> str:
    """A type byte for people: its letter, or its number."""
    return repr(chr(kind)) if 32 < kind < 127 else f"0x{kind:02x}"


def message(kind: int, body: bytes = b"") -> bytes:
    """A whole typed message."""
    return struct.pack(">BI", kind, len(body) + 4) + body


def word(body: bytes, at: int = 0) -> tuple[bytes, int]:
    """The zero-ended string at `at`, and where what follows it begins.

    Raises:
        Violation: it does not end.
    """
    end = body.find(b"\0", at)
    if end < 0:
        raise Violation("a message's text does not end")
    return body[at:end], end + 1


def bound_values(body: bytes) -> tuple[str | None, ...]:
    """The parameters of a Bind: text as it is, NULL as None, binary as text where it is readable as such
    (a text's binary form), else as `\\x` and hexadecimal digits."""
    try:
        _, at = word(body)
        _, at = word(body, at)
        (formats,) = struct.unpack_from(">H", body, at)
        codes = struct.unpack_from(f">{formats}H", body, at + 2)
        at += 2 + 2 * formats
        (count,) = struct.unpack_from(">H", body, at)
        at += 2
        values: list[str | None] = []
        for number in range(count):
            (size,) = struct.unpack_from(">i", body, at)
            at += 4
            if size < 0:
                values.append(None)
                continue
            value = body[at : at + size]
            at += size
            code = codes[number] if formats > 1 else codes[0] if formats else 0
            values.append(_readable(value) if code else value.decode("utf-8", "replace"))
    except (struct.error, IndexError):
        raise Violation("a Bind's parameters are cut short") from None
    return tuple(values)


def _readable(value: bytes) -> str:
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError:
        text = "\0"
    return text if text.isprintable() else "\\x" + value.hex()


def error_fields(body: bytes) -> dict[str, str]:
    """The fields of an ErrorResponse or NoticeResponse by their letter."""
    fields: dict[str, str] = {}
    for field in body.split(b"\0"):
        if field:
            fields[chr(field[0])] = field[1:].decode("utf-8", "replace")
    return fields


def with_error(body: bytes, code: str, text: str) -> bytes:
    """An ErrorResponse's body with another SQLSTATE and message."""
    said = {b"C": code.encode(), b"M": plain(text)}
    parts = [field for field in body.split(b"\0") if field]
    return b"".join(part[:1] + said.get(part[:1], part[1:]) + b"\0" for part in parts) + b"\0"


def plain(text: str) -> bytes:
    """Text that every client encoding writes the same."""
    return text.replace("\0", "").encode("ascii", "backslashreplace")


def is_sqlstate(code: str) -> bool:
    """Five digits and capital letters, and not the one for success."""
    return _SQLSTATE.fullmatch(code) is not None and code != "00000"


def counted_rows(tag: str) -> int | None:
    """The rows that a command tag counts: `INSERT 0 1`, `SELECT 3`; None of `BEGIN`."""
    last = tag.rpartition(" ")[2]
    return int(last) if last.isascii() and last.isdigit() else None
