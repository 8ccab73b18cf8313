"""The messages of PostgreSQL's protocol: types, parsing, and the messages that the gate creates."""

from __future__ import annotations

import re
import struct

from overbooked.wire.gate.session import ProtocolError

# Types of client messages.
PARSE, BIND, DESCRIBE, EXECUTE, CLOSE = b"PBDEC"
SYNC, FLUSH, QUERY, CALL, TERMINATE = b"SHQFX"
COPY_DATA, COPY_DONE, COPY_FAIL = b"dcf"
PASSWORD = ord("p")
CLIENT_KNOWN = b"PBDECSHQFXdcfp"
CLIENT_KEPT = b"PBDECQp"
CLIENT_SMALL = b"CDEHSXcf"

# Types of server messages; COPY_DATA and COPY_DONE are as above.
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
    """A type byte as text for error messages: its letter, or its number in hexadecimal."""
    return repr(chr(kind)) if 32 < kind < 127 else f"0x{kind:02x}"


def message(kind: int, body: bytes = b"") -> bytes:
    """Build a complete typed message."""
    return struct.pack(">BI", kind, len(body) + 4) + body


def word(body: bytes, at: int = 0) -> tuple[bytes, int]:
    """The zero-terminated string at `at`, and the index after it.

    Raises:
        ProtocolError: the terminator is missing.
    """
    end = body.find(b"\0", at)
    if end < 0:
        raise ProtocolError("a message's text does not end")
    return body[at:end], end + 1


def bound_values(body: bytes) -> tuple[str | None, ...]:
    """The parameters of a Bind message.

    Text parameters are returned unchanged and NULL as None; a binary parameter as text if it is printable
    UTF-8 (as the binary form of a text is), else as `\\x` and hexadecimal digits.

    Raises:
        ProtocolError: the message is cut short.
    """
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
        raise ProtocolError("a Bind's parameters are cut short") from None
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
    """Encode text as ASCII, which is the same in every client encoding; other characters are escaped."""
    return text.replace("\0", "").encode("ascii", "backslashreplace")


def is_sqlstate(code: str) -> bool:
    """Whether `code` is a SQLSTATE of an error: five digits or capital letters, not 00000."""
    return _SQLSTATE.fullmatch(code) is not None and code != "00000"


def counted_rows(tag: str) -> int | None:
    """The row count in a command tag such as `INSERT 0 1` or `SELECT 3`; None for a tag such as `BEGIN`."""
    last = tag.rpartition(" ")[2]
    return int(last) if last.isascii() and last.isdigit() else None
