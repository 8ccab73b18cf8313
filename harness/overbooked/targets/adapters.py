"""Loading adapters: from the folders of their system first, then from the environment."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType

from overbooked.errors import ConfigError
from overbooked.targets.adapter import Adapter


def load(named: str, system: str, folders: Sequence[Path]) -> Adapter:
    """Import `module:Class` and return an instance.

    Args:
        system: the system's name, for messages.
        folders: searched first for its module, in order.

    Raises:
        ConfigError: the module or class does not exist, is not an adapter, or fails when it is loaded.
    """
    module, _, name = named.partition(":")
    try:
        made = getattr(_imported(module, folders), name)()
    except ConfigError:
        raise
    except Exception as error:  # the user's module may raise anything
        looked = ", ".join(map(str, folders))
        where = f"; looked in {looked} and in the environment" if isinstance(error, ImportError) else ""
        said = error if isinstance(error, ImportError | AttributeError) else repr(error)
        raise ConfigError(f"adapter {named!r} of {system} cannot be loaded: {said}{where}") from error
    if not isinstance(made, Adapter):
        raise ConfigError(
            f"{named} is not an adapter: it needs capabilities, connect, close, open_slot and customers"
        )
    return made


def _imported(module: str, folders: Sequence[Path]) -> ModuleType:
    top = module.partition(".")[0]
    places = [str(folder) for folder in folders]
    spec = PathFinder.find_spec(top, places)
    known = sys.modules.get(top)
    if spec is not None and known is not None and not _same(spec, known):
        raise ConfigError(
            f"adapter {module!r}: the name {top!r} is taken by {_origin(known)}, so "
            f"{spec.origin or top} cannot be imported; give the adapter's module another name"
        )
    # First during the import, so that no installed package shadows the adapter; last afterwards, so that
    # the system's modules shadow no package that other code imports.
    sys.path[:0] = places
    try:
        return importlib.import_module(module)
    finally:
        del sys.path[: len(places)]
        sys.path.extend(place for place in places if place not in sys.path)


def _same(spec: ModuleSpec, known: ModuleType) -> bool:
    found = {Path(place).resolve() for place in spec.submodule_search_locations or ()}
    if found:
        return bool(found & {Path(place).resolve() for place in getattr(known, "__path__", ())})
    return spec.origin is not None and Path(spec.origin).resolve() == Path(_origin(known)).resolve()


def _origin(module: ModuleType) -> str:
    return getattr(module, "__file__", None) or next(iter(getattr(module, "__path__", ())), "the interpreter")
