"""What a mutant is: one mistake a competent team makes, as substitutions made at start-up.

The healthy code carries no trace of its mutants. A mutant that can no longer find what it replaces
fails to load, so that a refactoring cannot silently turn it into the healthy system.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any


class MutantStale(Exception):
    """What a mutant replaces is gone or has changed; bring the mutant up to date."""


@dataclass(frozen=True, slots=True)
class Replace:
    """Put `by` in the place of the function `target` ("package.module:name" or "...:Class.method").

    `by` must take the same parameters, by name, as what it replaces.
    """

    target: str
    by: Callable[..., Any]

    def apply(self) -> None:
        owner, name, found = _find(self.target)
        wanted = list(inspect.signature(found).parameters)
        offered = list(inspect.signature(self.by).parameters)
        if wanted != offered:
            raise MutantStale(
                f"{self.target} takes ({', '.join(wanted)}), its replacement ({', '.join(offered)})"
            )
        if inspect.iscoroutinefunction(found) != inspect.iscoroutinefunction(self.by):
            raise MutantStale(f"{self.target} and its replacement: one is a coroutine function, one is not")
        setattr(owner, name, self.by)


@dataclass(frozen=True, slots=True)
class Edit:
    """In the SQL text (or other string) `target`, write `new` for the one place that says `old`."""

    target: str
    old: str
    new: str

    def apply(self) -> None:
        owner, name, found = _find(self.target)
        text = str(found)
        if text.count(self.old) != 1:
            raise MutantStale(f"{self.target} says {self.old!r} {text.count(self.old)} times, not once")
        edited = text.replace(self.old, self.new)
        setattr(owner, name, edited if isinstance(found, str) else type(found)(edited))


@dataclass(frozen=True, slots=True)
class Mutant:
    """One seeded defect.

    Args:
        id: gap and number, e.g. `SYS-03.1`; the number never changes.
        harm: what is wrong and whom it hurts, in one sentence.
        substitutions: everywhere the one mistake shows in the code.
        schema: SQL that the schema's owner runs once on a fresh database, where the same team
            would have written another migration.
        cites: the published failure it copies, where there is one.
        also_opens: clauses that it opens beside those the catalog says it breaks, and why it is
            right that it does.
    """

    id: str
    harm: str
    substitutions: tuple[Replace | Edit, ...] = ()
    schema: tuple[str, ...] = ()
    cites: str = ""
    also_opens: Mapping[str, str] = field(default_factory=dict)

    @property
    def gap(self) -> str:
        return self.id.rpartition(".")[0]

    def apply(self) -> None:
        """Make every substitution in this process; raises MutantStale."""
        for substitution in self.substitutions:
            substitution.apply()


def _find(target: str) -> tuple[ModuleType | type, str, Any]:
    module_name, _, path = target.partition(":")
    owner: Any = importlib.import_module(module_name)
    *parents, name = path.split(".")
    for parent in parents:
        owner = getattr(owner, parent, None)
    found = getattr(owner, name, None)
    if found is None:
        raise MutantStale(f"{target} is gone")
    return owner, name, found
