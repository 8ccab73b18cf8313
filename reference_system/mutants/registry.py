"""Finds a mutant by its id; imports only the module that the id names."""

from __future__ import annotations

import importlib
import sys

from reference_system.mutants.listing import listed_mutants
from reference_system.mutants.mutant import Mutant, MutantStale


def mutant(id_: str) -> Mutant:
    """Return the mutant with this id.

    Raises:
        LookupError: there is none; the message names the existing ones.
        MutantStale: its module cannot be imported because the service has changed.
    """
    listed = listed_mutants()
    if id_ in listed:
        for value in vars(_imported(listed[id_].module)).values():
            if isinstance(value, Mutant) and value.id == id_:
                return value
    raise LookupError(f"no mutant {id_}; there are {', '.join(listed)}")


def _imported(name: str) -> object:
    try:
        importlib.import_module(name)
    except (AttributeError, ImportError) as error:
        raise MutantStale(f"{name} does not fit the service: {error}; bring it up to date") from error
    return sys.modules[name]
