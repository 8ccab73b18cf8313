"""A request's place: method and path without ids, the query's names without its values."""

from __future__ import annotations

from overbooked.wire.gate.ids import without_ids


def shape_of(method: str, target: str) -> str:
    """`POST /slots/?/bookings?page=?`; an absolute target loses its scheme and host."""
    if "://" in target:
        target = "/" + target.partition("://")[2].partition("/")[2]
    path, mark, query = target.partition("?")
    names = "&".join(f"{name}=?" if equals else without_ids(name) for name, equals, _ in _pairs(query))
    return f"{method} {without_ids(path)}{mark}{names}"


def _pairs(query: str) -> list[tuple[str, str, str]]:
    return [pair.partition("=") for pair in query.split("&")]
