"""HTTP/1.1 cut into heads, pieces of bodies and ends (RFC 9112), the bytes untouched.

Put together, the pieces are the stream. Of a head only the fields that frame a message are read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum, auto

_HEAD_LIMIT_BYTES = 256 * 1024
_LINE_LIMIT_BYTES = 64 * 1024
_END_OF_HEAD = re.compile(rb"\r?\n\r?\n")
_FRAMING = re.compile(
    rb"\n(content-length|transfer-encoding|connection|upgrade|expect|content-type)[ \t]*:[ \t]*([^\r\n]*)",
    re.IGNORECASE,
)
_REQUEST = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+) ([^ \r\n]+) HTTP/1\.([01])")
_RESPONSE = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9][0-9])(?: [^\r\n]*)?")
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\r\n]*)?\r?\n")
_TLS_HANDSHAKE = b"\x16"


class Violation(Exception):
    """These bytes are no HTTP/1.1; says why."""


class Body(Enum):
    """How the end of a body is found."""

    NONE = auto()
    LENGTH = auto()
    CHUNKED = auto()
    TO_THE_END = auto()  # of the connection
    TUNNEL = auto()  # what follows is no HTTP any more


class Piece(Enum):
    """What a part of the stream is."""

    HEAD = auto()
    BODY = auto()
    END = auto()  # of a message; no bytes


@dataclass(frozen=True, slots=True)
class Head:
    """A start line and what frames the message; `raw` with the empty line that ends it."""

    raw: bytes
    start: tuple[bytes, ...]  # method, target, minor version; or minor version, status
    framing: dict[bytes, bytes] = field(default_factory=dict)

    @property
    def method(self) -> str:
        """Of a request."""
        return self.start[0].decode("ascii")

    @property
    def target(self) -> str:
        """Of a request, as sent."""
        return self.start[1].decode("utf-8", "backslashreplace")

    @property
    def status(self) -> int:
        """Of a response."""
        return int(self.start[1])

    def has(self, name: bytes, token: bytes) -> bool:
        """Whether a list-valued framing field carries this token."""
        return token in (part.strip() for part in self.framing.get(name, b"").lower().split(b","))

    @property
    def chunked(self) -> bool:
        """Whether chunked is the last of its transfer codings, as it has to be."""
        return self.framing.get(b"transfer-encoding", b"").lower().split(b",")[-1].strip() == b"chunked"

    @property
    def closes(self) -> bool:
        """Whether the connection ends with this response: it says so, or is one of HTTP/1.0."""
        if self.start[0] == b"0":
            return not self.has(b"connection", b"keep-alive")
        return self.has(b"connection", b"close")

    def headers(self) -> dict[str, str]:
        """All fields, names in lower case, repeated ones joined by commas."""
        found: dict[str, str] = {}
        for line in self.raw.split(b"\n")[1:]:
            name, colon, value = line.decode("utf-8", "backslashreplace").partition(":")
            if colon:
                name, value = name.strip().lower(), value.strip()
                found[name] = f"{found[name]}, {value}" if name in found else value
        return found

    def length(self) -> int | None:
        """Content-Length, None where there is none.

        Raises:
            Violation: it is no number, or two that differ.
        """
        said = self.framing.get(b"content-length")
        if said is None:
            return None
        numbers = {part.strip() for part in said.split(b",")}
        if len(numbers) != 1 or not (number := numbers.pop()).isdigit():
            raise Violation(f"no length of a message: {said[:60]!r}")
        return int(number)


def request_body(head: Head) -> tuple[Body, int]:
    """How a request's body ends, and its length in bytes where that is given.

    Raises:
        Violation: it cannot be told.
    """
    if b"transfer-encoding" in head.framing:
        if not head.chunked:
            raise Violation(f"a request's transfer encoding of {head.framing[b'transfer-encoding'][:60]!r}")
        return Body.CHUNKED, 0
    length = head.length()
    return (Body.LENGTH, length) if length else (Body.NONE, 0)


def response_body(head: Head, method: str) -> tuple[Body, int]:
    """How the body of a response to `method` ends.

    Raises:
        Violation: it cannot be told.
    """
    status = head.status
    if status == 101 or (method == "CONNECT" and 200 <= status < 300):
        return Body.TUNNEL, 0
    if method == "HEAD" or status < 200 or status in (204, 304):
        return Body.NONE, 0
    if b"transfer-encoding" in head.framing:
        return (Body.CHUNKED if head.chunked else Body.TO_THE_END), 0
    length = head.length()
    if length is None:
        return Body.TO_THE_END, 0
    return (Body.LENGTH, length) if length else (Body.NONE, 0)


class Scanner:
    """Cuts one direction of a connection into pieces.

    Args:
        responses: whether it carries responses, not requests.
        body_of: how the body after a head ends; asked once for each head, in order.
    """

    def __init__(self, *, responses: bool, body_of: Callable[[Head], tuple[Body, int]]) -> None:
        self._start = _RESPONSE if responses else _REQUEST
        self._body_of = body_of
        self.pending = bytearray()  # what has come of a piece that is not whole yet
        self._looked = 0  # no end of the head before here
        self._body: Body | None = None  # None: a head comes next
        self._closes = False  # the head said that the connection ends with this message
        self._left = 0  # bytes of the body or of the chunk still to come
        self._in_chunk = self._in_trailer = self._chunks_over = False

    @property
    def tunnels(self) -> bool:
        """Whether what follows is no HTTP any more."""
        return self._body is Body.TUNNEL

    @property
    def lasts_to_the_end(self) -> bool:
        """Whether only the connection's end ends this message, though its head did not announce that."""
        return self._body is Body.TO_THE_END and not self._closes

    def feed(self, data: bytes) -> Iterator[tuple[Piece, bytes, Head | None]]:
        """The pieces that `data` completes; after a message that opens a tunnel nothing more.

        Raises:
            Violation: it is no HTTP/1.1.
        """
        self.pending += data
        while self.pending:
            if self._body is None:
                head = self._head()
                if head is None:
                    return
                self._body, self._left = self._body_of(head)
                self._closes = head.closes
                self._in_chunk = self._in_trailer = self._chunks_over = False
                yield Piece.HEAD, head.raw, head
                if self._body is Body.TUNNEL:
                    yield Piece.END, b"", None
                    return
            elif self._body is Body.CHUNKED:
                piece = self._chunk()
                if not piece:
                    return
                yield Piece.BODY, piece, None
            elif self._body is Body.TUNNEL:
                return
            else:
                yield Piece.BODY, self._some(), None
            if self._over():
                self._body = None
                yield Piece.END, b"", None

    def ended(self) -> bool:
        """The stream has ended; whether a message that lasts to its end is whole by that."""
        whole = self._body is Body.TO_THE_END
        self._body = None
        return whole

    def _head(self) -> Head | None:
        # A robust server ignores empty lines before a start line, RFC 9112, 2.2.
        blank = len(self.pending) - len(self.pending.lstrip(b"\r\n"))
        if self.pending[blank : blank + 1] == _TLS_HANDSHAKE:
            raise Violation("a TLS handshake: the gate reads no TLS, let the client connect without it")
        line_end = self.pending.find(b"\n", blank)
        if line_end < 0 and len(self.pending) - blank <= _LINE_LIMIT_BYTES:
            return None
        line = bytes(self.pending[blank : line_end if line_end > 0 else _LINE_LIMIT_BYTES]).rstrip(b"\r")
        start = self._start.fullmatch(line)
        if start is None:
            raise Violation(f"a start line of HTTP/1.1 was wanted and {line[:80]!r} found")
        end = _END_OF_HEAD.search(self.pending, max(blank, self._looked - 3))
        if end is None:
            self._looked = len(self.pending)
            if len(self.pending) > _HEAD_LIMIT_BYTES:
                raise Violation(f"a head of more than {_HEAD_LIMIT_BYTES} bytes")
            return None
        self._looked = 0
        raw = self._taken(end.end())
        framing: dict[bytes, bytes] = {}
        for name, value in _FRAMING.findall(raw):
            key = name.lower()
            framing[key] = framing[key] + b"," + value.rstrip() if key in framing else value.rstrip()
        return Head(raw, start.groups(), framing)

    def _chunk(self) -> bytes:
        """A size line, data of a chunk with its line's end, or the trailer; nothing while it is not there."""
        if self._in_chunk:
            return self._some()
        if self._in_trailer:
            return self._trailer()
        end = self.pending.find(b"\n")
        if end < 0:
            if len(self.pending) > _LINE_LIMIT_BYTES:
                raise Violation("a chunk's size without an end")
            return b""
        line = self._taken(end + 1)
        found = _CHUNK_SIZE.fullmatch(line)
        if found is None:
            raise Violation(f"a chunk's size was wanted and {line[:60]!r} found")
        size = int(found[1], 16)
        self._left = size + 2 if size else 0
        self._in_chunk, self._in_trailer = size > 0, size == 0
        return line

    def _trailer(self) -> bytes:
        """One line of the trailer; the empty one is its end."""
        end = self.pending.find(b"\n")
        if end < 0:
            if len(self.pending) > _LINE_LIMIT_BYTES:
                raise Violation("a trailer without an end")
            return b""
        line = self._taken(end + 1)
        self._chunks_over = not line.strip()
        return line

    def _some(self) -> bytes:
        """As much as there is of a body or a chunk."""
        if self._body is Body.TO_THE_END:
            return self._taken(len(self.pending))
        piece = self._taken(min(self._left, len(self.pending)))
        self._left -= len(piece)
        if not self._left and self._body is Body.CHUNKED:
            self._in_chunk = False
            if not piece.endswith(b"\n"):
                raise Violation("a chunk does not end where it says")
        return piece

    def _taken(self, size: int) -> bytes:
        piece = bytes(self.pending[:size])
        del self.pending[:size]
        return piece

    def _over(self) -> bool:
        if self._body is Body.CHUNKED:
            return self._chunks_over
        return self._body is Body.NONE or (self._body is Body.LENGTH and not self._left)
