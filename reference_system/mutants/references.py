"""Finds every reference to an object that a mutant replaces and rebinds it, or names it as an error.

`from x import f` gives the importing module its own reference. A replacement that leaves this reference in
place would be active and have no effect there.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Collection, Iterator
from types import FrameType, ModuleType
from typing import Any

SERVICE = "reference_system.booking"


class Spared:
    """An object of the mutants that may refer to a replaced object."""

    __slots__ = ()


def modules() -> Iterator[ModuleType]:
    """Yield the loaded modules of the service."""
    for name, module in list(sys.modules.items()):
        if module is not None and (name == SERVICE or name.startswith(f"{SERVICE}.")):
            yield module


def owners() -> Iterator[ModuleType | type]:
    """Yield the modules of the service and the classes defined in them."""
    for module in modules():
        yield module
        for value in list(vars(module).values()):
            if isinstance(value, type) and value.__module__ == module.__name__:
                yield value


def rebind(original: object, new: object) -> list[str]:
    """Rebind every name of a module or class of the service from `original` to `new`; returns the names."""
    changed = []
    for owner in owners():
        for name, value in list(vars(owner).items()):
            if value is original:
                setattr(owner, name, new)
                changed.append(f"{named(owner)}:{name}")
    return changed


def holders(original: object) -> list[str]:
    """Return the names in modules and classes of the service bound to an object, as `module:NAME`, sorted."""
    return sorted(
        f"{named(owner)}:{name}"
        for owner in owners()
        for name, value in list(vars(owner).items())
        if value is original
    )


def others_that_hold(original: object) -> list[str]:
    """Return what still refers to a function after `rebind`: registries, partials, closures, objects.

    The mutants' own modules and objects are left out: a replacement may call the original.
    """
    spared = {id(vars(module)) for name, module in list(sys.modules.items()) if _is_mutants(name)}
    return [_described(holder) for holder in gc.get_referrers(original) if not _is_spared(holder, spared)]


def built_from(text: str, besides: Collection[str]) -> list[str]:
    """Return the names of texts of the service that were composed from `text` at import.

    Args:
        besides: names ("module:NAME") to leave out, because they are edited too.
    """
    found = []
    for owner in owners():
        for name, value in list(vars(owner).items()):
            where = f"{named(owner)}:{name}"
            if where not in besides and any(text in each for each in _texts(value)):
                found.append(where)
    return found


def named(owner: ModuleType | type) -> str:
    """Return the name of a module or class in receipts, without the attribute."""
    return owner.__name__ if isinstance(owner, ModuleType) else f"{owner.__module__}:{owner.__qualname__}"


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from (each for each in value.values() if isinstance(each, str))
    elif isinstance(value, list | tuple | set | frozenset):
        yield from (each for each in value if isinstance(each, str))


def _is_mutants(name: str) -> bool:
    return name.startswith("reference_system.") and not (name == SERVICE or name.startswith(f"{SERVICE}."))


def _is_spared(holder: object, spared: set[int]) -> bool:
    return isinstance(holder, FrameType | Spared) or id(holder) in spared


def _described(holder: object) -> str:
    if isinstance(holder, dict):
        keys = ", ".join(map(repr, list(holder)[:5]))
        return f"a dict with the keys {keys}"
    return f"{type(holder).__name__} {str(holder)[:120]}"
