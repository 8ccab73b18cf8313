"""Splits HTTP/1.1 into heads, pieces of bodies and ends (RFC 9112) without changing bytes.

The concatenated pieces are the stream. Only the header fields that frame a message are parsed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum, auto

from overbooked.wire.gate.session import ProtocolError

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


class Body(Enum):
    """How the end of a body is found."""

    NONE = auto()
    LENGTH = auto()
    CHUNKED = auto()
    TO_THE_END = auto()  # the body ends with the connection
    TUNNEL = auto()  # data after it is not HTTP


class Piece(Enum):
    """The kind of a part of the stream."""

    HEAD = auto()
    BODY = auto()
    END = auto()  # the end of a message; it has no bytes


@dataclass(frozen=True, slots=True)
class Head:
    """A start line and the fields that frame the message; `raw` includes the final empty line."""

    raw: bytes
    start: tuple[bytes, ...]  # method, target, minor version; or minor version, status
    framing: dict[bytes, bytes] = field(default_factory=dict)

    @property
    def method(self) -> str:
        """The method of a request."""
        return self.start[0].decode("ascii")

    @property
    def target(self) -> str:
        """The target of a request, as sent."""
        return self.start[1].decode("utf-8", "backslashreplace")

    @property
    def status(self) -> int:
        """The status of a response."""
        return int(self.start[1])

    def has(self, name: bytes, token: bytes) -> bool:
        """Whether a list-valued framing field contains this token."""
        return token in (part.strip() for part in self.framing.get(name, b"").lower().split(b","))

    @property
    def chunked(self) -> bool:
        """Whether the last transfer coding is chunked, as RFC 9112 requires."""
        return self.framing.get(b"transfer-encoding", b"").lower().split(b",")[-1].strip() == b"chunked"

    @property
    def closes(self) -> bool:
        """Whether the connection ends with this response, by its header or because it is HTTP/1.0."""
        if self.start[0] == b"0":
            return not self.has(b"connection", b"keep-alive")
        return self.has(b"connection", b"close")

    def headers(self) -> dict[str, str]:
        """All header fields, with names in lower case and repeated fields joined by commas."""
        found: dict[str, str] = {}
        for line in self.raw.split(b"\n")[1:]:
            name, colon, value = line.decode("utf-8", "backslashreplace").partition(":")
            if colon:
                name, value = name.strip().lower(), value.strip()
                found[name] = f"{found[name]}, {value}" if name in found else value
        return found

    def length(self) -> int | None:
        """The Content-Length in bytes; None if there is none.

        Raises:
            ProtocolError: it is not a number, or it has differing values.
        """
        said = self.framing.get(b"content-length")
        if said is None:
            return None
        numbers = {part.strip() for part in said.split(b",")}
        if len(numbers) != 1 or not (number := numbers.pop()).isdigit():
            raise ProtocolError(f"invalid Content-Length: {said[:60]!r}")
        return int(number)


def request_body(head: Head) -> tuple[Body, int]:
    """How a request's body ends, and its length in bytes (0 if it has no fixed length).

    Raises:
        ProtocolError: the headers do not determine it.
    """
    if b"transfer-encoding" in head.framing:
        if not head.chunked:
            raise ProtocolError(
                f"a request's transfer encoding of {head.framing[b'transfer-encoding'][:60]!r}"
            )
        return Body.CHUNKED, 0
    length = head.length()
    return (Body.LENGTH, length) if length else (Body.NONE, 0)


def response_body(head: Head, method: str) -> tuple[Body, int]:
    """How the body of a response to `method` ends, and its length in bytes (0 if it has no fixed length).

    Raises:
        ProtocolError: the headers do not determine it.
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


class HttpScanner:
    """Splits one direction of a connection into pieces.

    Args:
        responses: whether it carries responses, not requests.
        body_of: returns how the body after a head ends; called once for each head, in order.
    """

    def __init__(self, *, responses: bool, body_of: Callable[[Head], tuple[Body, int]]) -> None:
        self._start = _RESPONSE if responses else _REQUEST
        self._body_of = body_of
        self.pending = bytearray()  # the incomplete piece
        self._looked = 0  # the end of the head is not before this index
        self._body: Body | None = None  # None: the next piece is a head
        self._closes = False  # the connection ends with this message
        self._left = 0  # missing bytes of the body or of the chunk
        self._in_chunk = self._in_trailer = self._chunks_over = False

    @property
    def tunnels(self) -> bool:
        """Whether the rest of the connection is not HTTP."""
        return self._body is Body.TUNNEL

    @property
    def lasts_to_the_end(self) -> bool:
        """Whether the message ends with the connection although its head does not announce that."""
        return self._body is Body.TO_THE_END and not self._closes

    def feed(self, data: bytes) -> Iterator[tuple[Piece, bytes, Head | None]]:
        """Yield the pieces that `data` completes; nothing after a message that opens a tunnel.

        Raises:
            ProtocolError: it is not HTTP/1.1.
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
        """Handle the end of the stream; return whether it completes a message."""
        whole = self._body is Body.TO_THE_END
        self._body = None
        return whole

    def _head(self) -> Head | None:
        # Empty lines before a start line are ignored (RFC 9112, section 2.2).
        blank = len(self.pending) - len(self.pending.lstrip(b"\r\n"))
        if self.pending[blank : blank + 1] == _TLS_HANDSHAKE:
            raise ProtocolError(
                "a TLS handshake; the gate cannot read TLS, so let the client connect without it"
            )
        line_end = self.pending.find(b"\n", blank)
        if line_end < 0 and len(self.pending) - blank <= _LINE_LIMIT_BYTES:
            return None
        line = bytes(self.pending[blank : line_end if line_end > 0 else _LINE_LIMIT_BYTES]).rstrip(b"\r")
        start = self._start.fullmatch(line)
        if start is None:
            raise ProtocolError(f"expected a start line of HTTP/1.1, found {line[:80]!r}")
        end = _END_OF_HEAD.search(self.pending, max(blank, self._looked - 3))
        if end is None:
            self._looked = len(self.pending)
            if len(self.pending) > _HEAD_LIMIT_BYTES:
                raise ProtocolError(f"a head of more than {_HEAD_LIMIT_BYTES} bytes")
            return None
        self._looked = 0
        raw = self._taken(end.end())
        framing: dict[bytes, bytes] = {}
        for name, value in _FRAMING.findall(raw):
            key = name.lower()
            framing[key] = framing[key] + b"," + value.rstrip() if key in framing else value.rstrip()
        return Head(raw, start.groups(), framing)

    def _chunk(self) -> bytes:
        """A size line, data of a chunk with its line end, or a trailer line; empty while incomplete."""
        if self._in_chunk:
            return self._some()
        if self._in_trailer:
            return self._trailer()
        end = self.pending.find(b"\n")
        if end < 0:
            if len(self.pending) > _LINE_LIMIT_BYTES:
                raise ProtocolError("a chunk's size without an end")
            return b""
        line = self._taken(end + 1)
        found = _CHUNK_SIZE.fullmatch(line)
        if found is None:
            raise ProtocolError(f"expected the size of a chunk, found {line[:60]!r}")
        size = int(found[1], 16)
        self._left = size + 2 if size else 0
        self._in_chunk, self._in_trailer = size > 0, size == 0
        return line

    def _trailer(self) -> bytes:
        """One line of the trailer, which an empty line ends; empty bytes while incomplete."""
        end = self.pending.find(b"\n")
        if end < 0:
            if len(self.pending) > _LINE_LIMIT_BYTES:
                raise ProtocolError("a trailer without an end")
            return b""
        line = self._taken(end + 1)
        self._chunks_over = not line.strip()
        return line

    def _some(self) -> bytes:
        """The available part of a body or a chunk."""
        if self._body is Body.TO_THE_END:
            return self._taken(len(self.pending))
        piece = self._taken(min(self._left, len(self.pending)))
        self._left -= len(piece)
        if not self._left and self._body is Body.CHUNKED:
            self._in_chunk = False
            if not piece.endswith(b"\n"):
                raise ProtocolError("a chunk is longer than its size line")
        return piece

    def _taken(self, size: int) -> bytes:
        piece = bytes(self.pending[:size])
        del self.pending[:size]
        return piece

    def _over(self) -> bool:
        if self._body is Body.CHUNKED:
            return self._chunks_over
        return self._body is Body.NONE or (self._body is Body.LENGTH and not self._left)
