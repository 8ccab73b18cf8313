"""The shape of a request: its method, its path without ids, and the query's names without values."""

from __future__ import annotations

from overbooked.wire.gate.ids import without_ids


def shape_of(method: str, target: str) -> str:
    """The shape, e.g. `POST /slots/?/bookings?page=?`; without the scheme and host of an absolute target."""
    if "://" in target:
        target = "/" + target.partition("://")[2].partition("/")[2]
    path, mark, query = target.partition("?")
    names = "&".join(f"{name}=?" if equals else without_ids(name) for name, equals, _ in _pairs(query))
    return f"{method} {without_ids(path)}{mark}{names}"


def _pairs(query: str) -> list[tuple[str, str, str]]:
    return [pair.partition("=") for pair in query.split("&")]
