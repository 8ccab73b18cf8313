"""Every place that holds what a mutant replaces: rebound where that can be done, else named and refused.

`from x import f` gives a caller a reference of its own. A replacement that leaves it alone is a mutant that
is switched on and does nothing there.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Collection, Iterator
from types import FrameType, ModuleType
from typing import Any

SERVICE = "reference_system.booking"


def modules() -> Iterator[ModuleType]:
    """The modules of the service that are loaded."""
    for name, module in list(sys.modules.items()):
        if module is not None and (name == SERVICE or name.startswith(f"{SERVICE}.")):
            yield module


def owners() -> Iterator[ModuleType | type]:
    """The modules of the service and the classes defined in them."""
    for module in modules():
        yield module
        for value in list(vars(module).values()):
            if isinstance(value, type) and value.__module__ == module.__name__:
                yield value


def rebind(original: object, new: object) -> list[str]:
    """Put `new` wherever a module or a class of the service holds `original`; the names that were changed."""
    changed = []
    for owner in owners():
        for name, value in list(vars(owner).items()):
            if value is original:
                setattr(owner, name, new)
                changed.append(f"{named(owner)}:{name}")
    return changed


def others_that_hold(original: object) -> list[str]:
    """What still holds a function after `rebind`: registries, partials, closures, objects.

    The mutants' own modules may: a replacement may call what it replaces.
    """
    spared = {id(vars(module)) for name, module in list(sys.modules.items()) if _is_mutants(name)}
    holders = gc.get_referrers(original)
    return [_described(holder) for holder in holders if not _of_no_account(holder, spared)]


def built_from(text: str, besides: Collection[str]) -> list[str]:
    """The texts of the service that were put together from `text` when their module was loaded.

    Args:
        besides: names ("module:NAME") that are left out, since they are edited too.
    """
    found = []
    for owner in owners():
        for name, value in list(vars(owner).items()):
            where = f"{named(owner)}:{name}"
            if where not in besides and any(text in each for each in _texts(value)):
                found.append(where)
    return found


def named(owner: ModuleType | type) -> str:
    """A module or class as targets name it, up to the attribute."""
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


def _of_no_account(holder: object, spared: set[int]) -> bool:
    return isinstance(holder, FrameType) or id(holder) in spared


def _described(holder: object) -> str:
    if isinstance(holder, dict):
        keys = ", ".join(map(repr, list(holder)[:5]))
        return f"a dict with the keys {keys}"
    return f"{type(holder).__name__} {str(holder)[:120]}"
