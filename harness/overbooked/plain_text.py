"""Text of others made safe to keep and to show: no control characters, no lone surrogates, of bounded length.

A system under test, its logs and its adapter's errors are the source of much of what a report says. What they
say may hold terminal escape sequences, halves of UTF-16 pairs that no encoder accepts, or megabytes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

# C0 but tab and newline, DEL, C1, directions that reorder what is shown, surrogates, non-characters.
_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)


def clean(text: str) -> str:
    r"""The text with every character escaped that is not safe to keep: `\x1b`, `\ud83d`."""
    return _UNSAFE.sub(_escaped, text)


def _escaped(found: re.Match[str]) -> str:
    code = ord(found.group())
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def cleaned(value: Any) -> Any:
    """A JSON-compatible value with every text in it cleaned, keys included; other values as they are."""
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
    """The text where it has at most `limit` characters; else its beginning, and how much was left out."""
    if len(text) <= limit:
        return text
    return f"{text[:limit].rstrip()} [{len(text) - limit:,} more characters]"
