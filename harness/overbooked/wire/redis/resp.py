"""Splits RESP2 and RESP3 into commands and values without changing bytes.

Source: https://redis.io/docs/latest/develop/reference/protocol-spec/ and, for inline commands, the
server's `sdssplitargs`. A scanner keeps its position, so the bytes of a large value are scanned once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from overbooked.wire.gate.session import ProtocolError

_LINE_LIMIT_BYTES = 64 * 1024
_BULK_LIMIT_BYTES = 512 * 1024 * 1024
_COUNT_LIMIT = 2**31 - 1

_BULKS = frozenset(b"$=!")
_LINES = frozenset(b"+-:_,#(")
# The number of values in an aggregate is its length times the first number plus the second. The pairs of an
# attribute are followed by the value that the attribute describes.
_AGGREGATES = {ord("*"): (1, 0), ord("~"): (1, 0), ord(">"): (1, 0), ord("%"): (2, 0), ord("|"): (2, 1)}
# Inline commands: bytes skipped between arguments, bytes that end an unquoted argument, and escapes by quote.
_SPACES = frozenset(b" \t\n\v\f\r")
_ENDS_ARGUMENT = frozenset(b" \t\n\r")
_QUOTES = frozenset(b"'\"")
_ESCAPES = {
    ord('"'): re.compile(rb"\\(x[0-9a-fA-F]{2}|.)", re.DOTALL),
    ord("'"): re.compile(rb"\\(')"),
}
_CONTROLS = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"a": b"\a"}
_ARRAY = ord("*")
_BULK = ord("$")
_TLS_HANDSHAKE = 0x16


@dataclass(frozen=True, slots=True)
class RedisCommand:
    """One command: its bytes as sent, and its name and arguments; empty `args` get no answer."""

    raw: bytes
    args: tuple[bytes, ...]


class CommandScanner:
    """Splits a client's data into commands."""

    __slots__ = ("_args", "_at", "_left", "_wanted", "pending")

    def __init__(self) -> None:
        self.pending = bytearray()  # the incomplete piece
        self._at = 0  # where scanning continues
        self._wanted = 0  # `pending` needs this many bytes before scanning can continue
        self._left = 0  # missing arguments
        self._args: list[bytes] = []

    def feed(self, data: bytes) -> Iterator[RedisCommand]:
        """Yield the commands that `data` completes.

        Raises:
            ProtocolError: the data is not a command.
        """
        self.pending += data
        while len(self.pending) >= self._wanted and self.pending:
            if not self._command():
                return
            raw = bytes(self.pending[: self._at])
            args = tuple(self._args)
            del self.pending[: self._at]
            self._at = self._wanted = 0
            self._args = []
            yield RedisCommand(raw, args)

    def _command(self) -> bool:
        """Continue scanning; return whether a command is complete."""
        if self._at == 0:
            if self.pending[0] != _ARRAY:
                return self._inline()
            end = _line(self.pending, 0)
            if end < 0:
                return False
            self._left = max(0, _number(self.pending, 1, end, _COUNT_LIMIT))
            self._at = end + 2
        while self._left:
            end = _line(self.pending, self._at)
            if end < 0:
                return False
            if self.pending[self._at] != _BULK:
                raise ProtocolError(f"expected '$', found {chr(self.pending[self._at])!r}")
            size = _number(self.pending, self._at + 1, end, _BULK_LIMIT_BYTES)
            if size < 0:
                raise ProtocolError(f"an argument of {size} bytes")
            after = end + 2 + size + 2
            if len(self.pending) < after:
                self._wanted = after
                return False
            self._args.append(bytes(self.pending[end + 2 : after - 2]))
            self._at = after
            self._left -= 1
        return True

    def _inline(self) -> bool:
        if self.pending[0] == _TLS_HANDSHAKE:
            raise ProtocolError(
                "a TLS handshake; the gate cannot read TLS, so let the client connect without it"
            )
        end = self.pending.find(b"\n")
        if end < 0:
            if len(self.pending) > _LINE_LIMIT_BYTES:
                raise ProtocolError("an inline command without an end")
            return False
        self._args = split_inline(bytes(self.pending[:end]))
        self._at = end + 1
        return True


class ValueScanner:
    """Splits a server's data into values, each with its preceding attributes."""

    __slots__ = ("_at", "_open", "_wanted", "pending")

    def __init__(self) -> None:
        self.pending = bytearray()  # the incomplete piece
        self._at = 0
        self._wanted = 0
        self._open: list[int] = []  # missing elements of each open aggregate

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield the bytes of each value that `data` completes.

        Raises:
            ProtocolError: the data is not a value.
        """
        if not self.pending and data.find(b"\r\n", 1) == len(data) - 2 > 0 and data[0] in _LINES:
            yield data
            return
        self.pending += data
        while len(self.pending) >= self._wanted and self.pending:
            if not self._value():
                return
            raw = bytes(self.pending[: self._at])
            del self.pending[: self._at]
            self._at = self._wanted = 0
            yield raw

    def _value(self) -> bool:
        buffer, open_ = self.pending, self._open
        while True:
            end = _line(buffer, self._at)
            if end < 0:
                return False
            kind = buffer[self._at]
            more = 0
            after = end + 2
            if kind in _BULKS:
                size = _number(buffer, self._at + 1, end, _BULK_LIMIT_BYTES)
                if size >= 0:
                    after += size + 2
                    if len(buffer) < after:
                        self._wanted = after
                        return False
                    if buffer[after - 2 : after] != b"\r\n":
                        raise ProtocolError(f"a string of {size} bytes is not terminated")
            elif kind in _AGGREGATES:
                times, plus = _AGGREGATES[kind]
                more = times * _number(buffer, self._at + 1, end, _COUNT_LIMIT) + plus
            elif kind not in _LINES:
                raise ProtocolError(f"no value begins with {chr(kind)!r}")
            self._at = after
            if more > 0:
                open_.append(more)
                continue
            while open_:
                open_[-1] -= 1
                if open_[-1]:
                    break
                open_.pop()
            if not open_:
                return True


def _line(buffer: bytearray, start: int) -> int:
    """The index of the CRLF that ends the line at `start`; -1 while the line is incomplete."""
    end = buffer.find(b"\r\n", start)
    if end < 0 and len(buffer) - start > _LINE_LIMIT_BYTES:
        raise ProtocolError(f"a line without an end within {_LINE_LIMIT_BYTES} bytes")
    if end == start:
        raise ProtocolError("expected a type, found an empty line")
    return end


def _number(buffer: bytearray, start: int, end: int, limit: int) -> int:
    digits = bytes(buffer[start:end])
    if not digits.removeprefix(b"-").isdigit() or len(digits) > 11:
        raise ProtocolError(f"expected a length, found {digits[:40]!r}")
    number = int(digits)
    if number < -1 or number > limit:
        raise ProtocolError(f"a length of {number}")
    return number


def split_inline(line: bytes) -> list[bytes]:
    """Split an inline command into arguments, as the server's `sdssplitargs` does.

    A quote may also open within an argument (`one'two three'` is one argument); a closing quote ends it.

    Raises:
        ProtocolError: its quotes are not balanced, or a closing quote is not followed by a space.
    """
    line = line.partition(b"\0")[0]  # the server treats it as a C string
    args: list[bytes] = []
    at = 0
    while True:
        while at < len(line) and line[at] in _SPACES:
            at += 1
        if at == len(line):
            return args
        word, at = _argument(line, at)
        args.append(word)


def _argument(line: bytes, at: int) -> tuple[bytes, int]:
    """The argument that begins at `at`, and the index of its end."""
    word = bytearray()
    quote = 0
    while at < len(line):
        char = line[at]
        if not quote and char in _QUOTES:
            quote, at = char, at + 1
        elif not quote and char in _ENDS_ARGUMENT:
            break
        elif char == quote:
            if at + 1 < len(line) and line[at + 1] not in _SPACES:
                raise ProtocolError("a quoted argument of an inline command is not followed by a space")
            return bytes(word), at + 1
        elif quote and (escape := _ESCAPES[quote].match(line, at)):
            word += _unescaped(escape[1])
            at = escape.end()
        else:
            word.append(char)
            at += 1
    if quote:
        raise ProtocolError("an inline command's quotes are not balanced")
    return bytes(word), at


def _unescaped(said: bytes) -> bytes:
    return bytes([int(said[1:], 16)]) if len(said) == 3 else _CONTROLS.get(said, said)


def words(value: bytes, most: int) -> list[bytes]:
    """The first strings of an aggregate, at most `most`, e.g. a push's kind and channel; nil is b""."""
    found: list[bytes] = []
    at = value.index(b"\r\n") + 2
    while len(found) < most and at < len(value):
        end = value.index(b"\r\n", at)
        if value[at] in _BULKS:
            size = int(value[at + 1 : end])
            found.append(value[end + 2 : end + 2 + size] if size >= 0 else b"")
            at = end + 2 + (size + 2 if size >= 0 else 0)
        else:
            found.append(value[at + 1 : end])
            at = end + 2
    return found
