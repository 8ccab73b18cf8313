"""Parses JSON as Go's encoding/json does, with the same error texts.

Keys are case-insensitive, unknown keys are ignored, null leaves a field unchanged, the last of several equal
keys counts, and data after the first value is ignored. Numbers keep their text, because the error for `1.5`
in an integer field quotes it.
"""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from overbooked.toxiproxy.server.errors import ApiError, bad_body

_SPACE = re.compile(r"[ \t\n\r]*")
_INT64 = range(-(2**63), 2**63)
_FLOAT32_MAX = 3.4028235677973366e38


@dataclass(frozen=True, slots=True)
class Number:
    """A number, as its text in the JSON."""

    text: str


@dataclass(frozen=True, slots=True)
class Pairs:
    """A JSON object as its pairs, in order, including duplicates."""

    pairs: tuple[tuple[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Shape:
    """A Go struct: its name in error messages, and the Go types of its fields by JSON key.

    A field of type Shape is a nested struct. `value` is the struct's name in the error message for a JSON
    value that is not an object.
    """

    name: str
    value: str
    fields: Mapping[str, str | Shape]


def _constant(text: str) -> Any:
    raise json.JSONDecodeError("Expecting value", text, 0)


_DECODER = json.JSONDecoder(
    object_pairs_hook=lambda pairs: Pairs(tuple(pairs)),
    parse_int=Number,
    parse_float=Number,
    parse_constant=_constant,
)


def parse(body: bytes) -> Any:
    """Parse the first JSON value of a body.

    Raises:
        ApiError: the body is empty or malformed.
    """
    text = body.decode("utf-8", "replace")
    start = _SPACE.match(text).end()  # type: ignore[union-attr]  # it matches the empty string
    if start == len(text):
        raise bad_body("EOF")
    try:
        return _DECODER.raw_decode(text, start)[0]
    except json.JSONDecodeError as error:
        if error.doc in ("NaN", "Infinity", "-Infinity"):
            raise _syntax("Expecting value", text, text.find(error.doc, start)) from error
        raise _syntax(error.msg, text, error.pos) from error
    except RecursionError as error:
        raise bad_body(f"invalid character {_quoted(text[start])} exceeded max depth") from error


def _syntax(message: str, text: str, at: int) -> ApiError:
    if not message.startswith("Invalid control character"):
        at = _SPACE.match(text, at).end()  # type: ignore[union-attr]
    if at >= len(text) or message.startswith("Unterminated string"):
        return bad_body("unexpected EOF")
    where = "looking for beginning of value"
    if message.startswith("Expecting property name"):
        where = "looking for beginning of object key string"
    elif message.startswith("Expecting ':'"):
        where = "after object key"
    elif message.startswith("Expecting ','"):
        where = "after object key:value pair" if _in_object(text[:at]) else "after array element"
    elif message.startswith("Invalid control character"):
        where = "in string literal"
    elif message.startswith("Invalid \\"):
        where = "in string escape code"
        at = min(at + 1, len(text) - 1)
    return bad_body(f"invalid character {_quoted(text[at])} {where}")


def _quoted(character: str) -> str:
    if character == "'":
        return r"'\''"
    if character == '"':
        return "'\"'"
    return f"'{json.dumps(character, ensure_ascii=False)[1:-1]}'"


def _in_object(before: str) -> bool:
    open_brackets: list[str] = []
    for mark in re.findall(r'"(?:[^"\\]|\\.)*"|[\[\]{}]', before):
        if mark in "[{":
            open_brackets.append(mark)
        elif mark in "]}" and open_brackets:
            open_brackets.pop()
    return bool(open_brackets) and open_brackets[-1] == "{"


def fields(value: Any, shape: Shape) -> dict[str, Any]:
    """Check the given fields of a struct and return their values by field name.

    Raises:
        ApiError: a value has the wrong type; it names the first such value in the body.
    """
    if value is None:
        return {}
    if not isinstance(value, Pairs):
        raise bad_body(f"json: cannot unmarshal {kind_of(value)} into Go value of type {shape.value}")
    return _struct(value, shape, ())


def _struct(value: Pairs, shape: Shape, path: tuple[str, ...]) -> dict[str, Any]:
    known = {name.lower(): name for name in shape.fields}
    found: dict[str, Any] = {}
    for key, item in value.pairs:
        name = known.get(key.lower())
        if name is None or item is None:
            continue
        kind = shape.fields[name]
        inner = (*path, name)
        if not isinstance(kind, Shape):
            found[name] = _plain(item, kind, shape, inner)
        elif isinstance(item, Pairs):
            # A repeated struct is merged into the earlier one.
            found[name] = {**found.get(name, {}), **_struct(item, kind, inner)}
        else:
            raise _mismatch(kind_of(item), shape, inner, kind.value)
    return found


def _plain(item: Any, kind: str, shape: Shape, path: tuple[str, ...]) -> Any:
    if kind == "string" and isinstance(item, str):
        return item
    if kind == "bool" and isinstance(item, bool):
        return item
    if isinstance(item, Number):
        if kind == "float32" and abs(float(item.text)) <= _FLOAT32_MAX:
            return struct.unpack("f", struct.pack("f", float(item.text)))[0]
        if kind in ("int", "int64") and re.fullmatch(r"-?\d+", item.text) and int(item.text) in _INT64:
            return int(item.text)
        if kind in ("int", "int64", "float32"):
            raise _mismatch(f"number {item.text}", shape, path, kind)
    raise _mismatch(kind_of(item), shape, path, kind)


def kind_of(value: Any) -> str:
    """The name of a parsed value's JSON type in error messages."""
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, str):
        return "string"
    if isinstance(value, Number):
        return "number"
    return "object" if isinstance(value, Pairs) else "array"


def _mismatch(what: str, shape: Shape, path: tuple[str, ...], kind: str) -> ApiError:
    field = f"{shape.name}.{'.'.join(path)}"
    return bad_body(f"json: cannot unmarshal {what} into Go struct field {field} of type {kind}")


def float32_text(value: float) -> float | int:
    """The shortest number that is equal in single precision, as Go formats a float32."""
    if value == int(value):
        return int(value)
    for digits in range(1, 10):
        short = float(f"{value:.{digits}g}")
        if struct.pack("f", short) == struct.pack("f", value):
            return short
    return value
