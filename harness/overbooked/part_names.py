"""Renamed parts and links of a stack. The old names are accepted for one version.

A system can have several outside parties, so the payment provider is the part `payments`, formerly
`provider`. All code that reads a name written by a user (a descriptor, settings, a scenario, an
adapter, a replay bundle) translates it here, and one line on stderr gives the new name.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Any, TypeVar

T = TypeVar("T")

_RENAMED = {
    "provider": "payments",
    "app->provider": "app->payments",
    "provider->app": "payments->app",
    "provider_url": "payments_url",
}
_reported: set[tuple[str, str]] = set()


def current_name(name: str) -> str:
    """The current name of a part, a link or a placeholder; any other text is returned unchanged."""
    return _RENAMED.get(name, name)


def accept_name(name: str, where: str) -> str:
    """The current form of a name that a user wrote; reports an old one on stderr, once a process.

    Args:
        where: the place it was written, for the report, e.g. "[stack] ports".
    """
    new = current_name(name)
    if new != name and (name, where) not in _reported:
        _reported.add((name, where))
        # Workers read the same files as their controller, which has reported the old name already.
        if "PYTEST_XDIST_WORKER" not in os.environ:
            sys.stderr.write(
                f"overbooked: {where}: {name!r} is now called {new!r}; "
                "the old name is accepted in this version only\n"
            )
    return new


def accept_keys(table: Any, where: str) -> Any:
    """A table with its keys in their current form; other values are returned for the validator to reject."""
    if not isinstance(table, Mapping):
        return table
    return {accept_name(key, where) if isinstance(key, str) else key: value for key, value in table.items()}


class PartsByName(dict[str, T]):
    """A dict by part or link that also finds an entry by its old name. Iteration gives current names."""

    def __init__(self, entries: Mapping[str, T], where: str) -> None:
        super().__init__(entries)
        self._where = where

    def __missing__(self, name: str) -> T:
        new = accept_name(name, self._where)
        if new == name:
            raise KeyError(name)
        return self[new]
