"""All mutants of the reference system, by id: every module here named after a gap offers some."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

import reference_system.mutants as package
from reference_system.mutants.mutant import Mutant


@cache
def mutants() -> dict[str, Mutant]:
    """Every mutant by id, in order of gap and number."""
    found: dict[str, Mutant] = {}
    for module in pkgutil.iter_modules(package.__path__):
        if not module.name.startswith("gap_"):
            continue
        for mutant in importlib.import_module(f"{package.__name__}.{module.name}").MUTANTS:
            if mutant.id in found:
                raise LookupError(f"two mutants are called {mutant.id}")
            found[mutant.id] = mutant
    return dict(sorted(found.items(), key=lambda item: _order(item[0])))


def mutant(id_: str) -> Mutant:
    """One mutant; raises LookupError naming those there are."""
    try:
        return mutants()[id_]
    except KeyError:
        raise LookupError(f"no mutant {id_}; there are {', '.join(mutants())}") from None


def _order(id_: str) -> tuple[str, int]:
    gap, _, number = id_.rpartition(".")
    return gap, int(number)
