"""Splits a stream into typed messages, in time linear in its size for any chunking."""

from __future__ import annotations

import struct

from overbooked.wire.gate.session import ProtocolError
from overbooked.wire.postgres.messages import printable

_HEAD = struct.Struct(">BI")
_HEAD_BYTES = _HEAD.size
# PostgreSQL's limit for a message (palloc's); a larger length is a protocol violation.
_LONGEST_BYTES = 0x3FFFFFFF
_SMALL_BYTES = 10_000  # PQ_SMALL_MESSAGE_LIMIT
_KEPT, _SKIPPED = 2, 3  # values in the table of types; 1 means known, 0 unknown

Framed = tuple[int, int, bytes | None]


class Framer:
    """Finds the messages in one direction of a connection.

    Args:
        whose: `client` or `server`, for error messages.
        known: every valid type.
        kept: the types that are returned with their body.
        skipped: the types that are not reported (rows: there are many, and the message after them suffices).
        small: the types that the receiver refuses if the length is above 10,000 bytes; such a message is an
            error before it is complete.
    """

    __slots__ = ("_head", "_kind", "_left", "_longest", "_parts", "_table", "_whose", "begun")

    def __init__(
        self, whose: str, *, known: bytes, kept: bytes, skipped: bytes = b"", small: bytes = b""
    ) -> None:
        self._whose = whose
        self._longest = [_SMALL_BYTES if kind in small else _LONGEST_BYTES for kind in range(256)]
        self._table = bytes(
            _SKIPPED if kind in skipped else (kind in known) + (kind in kept) for kind in range(256)
        )
        self.begun = 0  # index in the last data at which the incomplete message begins
        self._head = b""  # the first bytes of a message if its type and length are incomplete
        self._kind = 0
        self._left = 0  # missing bytes of the current message
        self._parts: list[bytes] | None = None

    @property
    def open(self) -> bool:
        """Whether the current message is incomplete."""
        return self._left > 0 or bool(self._head)

    def feed(self, data: bytes) -> list[Framed]:
        """Return the messages that end in `data`: type, end index in `data`, and body (of kept types).

        Raises:
            ProtocolError: the data is not in PostgreSQL's protocol.
        """
        found: list[Framed] = []
        at, size = 0, len(data)
        if self._left or self._head:
            at = self._resume(data, found)
            if self.open:
                return found  # still incomplete: it began before these bytes
        table, longest, head = self._table, self._longest, _HEAD.unpack_from
        last = size - _HEAD_BYTES
        while at <= last:
            kind, length = head(data, at)
            known = table[kind]
            if not known or length < 4 or length > longest[kind]:
                raise self._violation(kind, length)
            end = at + 1 + length
            if end > size:
                self._kind, self._left, self.begun = kind, end - size, at
                self._parts = [data[at + _HEAD_BYTES :]] if known == _KEPT else None
                return found
            if known != _SKIPPED:
                found.append((kind, end, data[at + _HEAD_BYTES : end] if known == _KEPT else None))
            at = end
        self.begun = at
        if at < size:
            if not table[data[at]]:
                raise self._violation(data[at], 0)  # the receiver also refuses it by its type
            self._head = data[at:]
        return found

    def _resume(self, data: bytes, found: list[Framed]) -> int:
        """Continue the current message; return the index at which the next one starts."""
        at = 0
        if self._head:
            wanted = _HEAD_BYTES - len(self._head)
            self._head += data[:wanted]
            if len(self._head) < _HEAD_BYTES:
                self.begun = 0
                return len(data)
            at = wanted
            kind, length = _HEAD.unpack(self._head)
            known = self._table[kind]
            if not known or length < 4 or length > self._longest[kind]:
                raise self._violation(kind, length)
            self._head = b""
            self._kind, self._left = kind, length - 4
            self._parts = [] if known == _KEPT else None
        end = at + self._left
        if self._parts is not None:
            self._parts.append(data[at:end])
        if end > len(data):
            self._left, self.begun = end - len(data), 0
            return len(data)
        body = None if self._parts is None else b"".join(self._parts)
        self._left, self._parts = 0, None
        if self._table[self._kind] != _SKIPPED:
            found.append((self._kind, end, body))
        return end

    def _violation(self, kind: int, length: int) -> ProtocolError:
        if not self._table[kind]:
            return ProtocolError(f"the {self._whose} sent a message of unknown type {printable(kind)}")
        return ProtocolError(f"the {self._whose} sent a message {printable(kind)} of {length} bytes")
