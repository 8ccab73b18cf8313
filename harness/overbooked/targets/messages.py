"""HTTP messages for adapters; a header may occur several times."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

Headers: TypeAlias = Mapping[str, str] | Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One request to the system under test; `path` starts with a slash.

    `headers` is a mapping, or a sequence of pairs if one name is sent several times.
    """

    method: str
    path: str
    headers: Headers = field(default_factory=dict)
    body: bytes = b""

    @property
    def header_list(self) -> list[tuple[str, str]]:
        """Return the headers as pairs, in order."""
        return list(self.headers.items() if isinstance(self.headers, Mapping) else self.headers)


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """One response; header names are lower case.

    `headers` has each name once, several values joined by ", " (RFC 9110, 5.3); `header_list` has
    every header as received. Set-Cookie cannot be joined: read it by `all("set-cookie")`.
    """

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    header_list: Sequence[tuple[str, str]] = ()

    @classmethod
    def received(cls, status: int, headers: Iterable[tuple[str, str]], body: bytes) -> HttpResponse:
        """Create a response with headers as received."""
        pairs = [(name.lower(), value) for name, value in headers]
        joined: dict[str, str] = {}
        for name, value in pairs:
            joined[name] = f"{joined[name]}, {value}" if name in joined else value
        return cls(status, joined, body, pairs)

    def all(self, name: str) -> list[str]:
        """Return every value of one header, in order."""
        name = name.lower()
        if self.header_list:
            return [value for known, value in self.header_list if known == name]
        return [self.headers[name]] if name in self.headers else []
