"""Finds the classes that implement the capabilities.

A class in any module of this package that is decorated with `offers` implements the capabilities named
there. Adding one only adds a module.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar

import asyncpg

from overbooked.capabilities import Capability, RecordKind
from overbooked.errors import ConfigError
from reference_system.target.connections import Connections

C = TypeVar("C", bound=Callable[[Connections], Any])


@dataclass(frozen=True, slots=True)
class RecordQuery:
    """The query for a record kind; all queries of one read of the durable state share a snapshot.

    Args:
        kind: the record kind.
        sql: its statement. `$1` are the wanted slots and `$2` the wanted checkouts (uuid[]), NULL for
            both where everything is wanted; a statement without `$1` is not restricted.
        row: makes the harness's row of the database's.
    """

    kind: RecordKind[Any]
    sql: str
    row: Callable[[asyncpg.Record], Any]


@dataclass(frozen=True, slots=True)
class Part:
    """A class that implements capabilities, made with the adapter's connections."""

    make: Callable[[Connections], Any]
    capabilities: tuple[Capability[Any], ...]
    records: tuple[RecordQuery, ...] = ()


def text_of(value: object) -> str | None:
    """Return a column as text; None for NULL."""
    return None if value is None else str(value)


_PARTS: dict[str, Part] = {}


def offers(*capabilities: Capability[Any], records: Sequence[RecordQuery] = ()) -> Callable[[C], C]:
    """Declare what the decorated class implements; its constructor gets only `Connections`.

    Args:
        capabilities: the capabilities that the class implements.
        records: how the record kinds of these capabilities are read.
    """

    def add(made: C) -> C:
        _PARTS[f"{made.__module__}.{made.__qualname__}"] = Part(made, capabilities, tuple(records))
        return made

    return add


@cache
def found() -> Mapping[str, Part]:
    """Return every part by the name of its class.

    Raises:
        ConfigError: two classes offer one capability.
    """
    package = __name__.rpartition(".")[0]
    for module in pkgutil.iter_modules(importlib.import_module(package).__path__):
        importlib.import_module(f"{package}.{module.name}")
    owners: dict[str, str] = {}
    for name, part in sorted(_PARTS.items()):
        for capability in part.capabilities:
            other = owners.setdefault(capability.id, name)
            if other != name:
                raise ConfigError(f"{other} and {name} both offer {capability.id!r}; leave it to one of them")
    return dict(sorted(_PARTS.items()))
