"""Make foreign text safe to store and display: no control characters, no lone surrogates, bounded length.

Reports quote the system under test, its logs and its adapter's errors. These texts may contain terminal
escape sequences, lone UTF-16 surrogates that cannot be encoded, or megabytes of data.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

# C0 except tab and newline, DEL, C1, bidirectional controls, surrogates, non-characters.
_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)


def clean(text: str) -> str:
    r"""Escape every unsafe character of the text: `\x1b`, `\ud83d`."""
    return _UNSAFE.sub(_escaped, text)


def _escaped(found: re.Match[str]) -> str:
    code = ord(found.group())
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def cleaned(value: Any) -> Any:
    """Clean every text in a JSON-compatible value, keys included; other values are returned unchanged."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, Mapping):
        return {clean(name) if isinstance(name, str) else name: cleaned(one) for name, one in value.items()}
    if isinstance(value, tuple):
        return tuple(map(cleaned, value))
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        return [*map(cleaned, value)]
    return value


def bounded(text: str, limit: int) -> str:
    """The text if it has at most `limit` characters, else its beginning and the number of omitted ones."""
    if len(text) <= limit:
        return text
    return f"{text[:limit].rstrip()} [{len(text) - limit:,} more characters]"
