"""The registry of capabilities: those of this package and those that a project declares."""

from __future__ import annotations

import importlib
import pkgutil
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, TypeVar, cast

from overbooked.capabilities.capability import Capability, RecordKind
from overbooked.errors import ConfigError

P = TypeVar("P")

_DECLARED: dict[str, Capability[Any]] = {}
_LOCK = threading.RLock()
_PACKAGE = __name__.rpartition(".")[0]


def declare(
    name: str, protocol: Callable[..., P], *, records: Sequence[RecordKind[Any]] = ()
) -> Capability[P]:
    """Register a capability under its id and return it.

    Args:
        name: the id, lower-case words, e.g. `"gift cards"`; scenarios find it as `system.gift_cards`.
        protocol: the methods and properties that an adapter implements.
        records: the record kinds that a target with this capability has in its durable state.

    Raises:
        ConfigError: another protocol has this id, or another capability has a record kind of this name.
    """
    # Type checkers infer Callable and not type[P] for a protocol, since it is not a concrete class.
    declared = cast("type[P]", protocol)
    made = Capability(name, declared, tuple(records))
    if not made.attribute.isidentifier():
        raise ConfigError(
            f"the capability id {name!r} makes no Python name; use lower-case words, e.g. 'gift cards'"
        )
    with _LOCK:
        known = _DECLARED.get(name)
        if known is not None and not _same(known.protocol, declared):
            raise ConfigError(
                f"the capability {name!r} is declared twice: by {_where(known.protocol)} and by "
                f"{_where(declared)}; give one of them another id"
            )
        for kind in records:
            other = next((one for one in _DECLARED.values() if _has(one, kind.name) and one.id != name), None)
            if other is not None:
                raise ConfigError(
                    f"the record kind {kind.name!r} of {name!r} is one of {other.id!r} already; "
                    "give it another name"
                )
        _DECLARED[name] = made
    return made


def known() -> Mapping[str, Capability[Any]]:
    """Return every capability by its id."""
    _import_all()
    with _LOCK:
        return dict(_DECLARED)


@cache
def _import_all() -> None:
    package = importlib.import_module(_PACKAGE)
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{_PACKAGE}.{module.name}")


def _has(capability: Capability[Any], kind: str) -> bool:
    return any(one.name == kind for one in capability.records)


def _same(one: type, other: type) -> bool:
    # A module that is imported a second time declares the same protocol again.
    return _where(one) == _where(other)


def _where(protocol: type) -> str:
    return f"{protocol.__module__}.{protocol.__qualname__}"
