"""What a mutant is: one mistake a competent team makes, as substitutions made at start-up.

The healthy code carries no trace of its mutants. A mutant that can no longer find what it replaces
fails to load, so that a refactoring cannot silently turn it into the healthy system; so does one that cannot
reach every reference to it. What a mutant puts in place counts how often it runs.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import TYPE_CHECKING, Any

from reference_system.mutants.references import built_from, named, others_that_hold, rebind

if TYPE_CHECKING:
    from reference_system.mutants.receipts import Receipts


class MutantStale(Exception):
    """What a mutant replaces is gone or has changed; bring the mutant up to date."""


@dataclass(frozen=True, slots=True)
class Replace:
    """Put `by` in the place of the function `target` ("package.module:name" or "...:Class.method").

    `by` must take the same parameters, by name, as what it replaces.
    """

    target: str
    by: Callable[..., Any]

    def apply(self, receipts: Receipts) -> None:
        owner, name, found = _find(self.target)
        wanted = list(inspect.signature(found).parameters)
        offered = list(inspect.signature(self.by).parameters)
        if wanted != offered:
            raise MutantStale(
                f"{self.target} takes ({', '.join(wanted)}), its replacement ({', '.join(offered)})"
            )
        if inspect.iscoroutinefunction(found) != inspect.iscoroutinefunction(self.by):
            raise MutantStale(f"{self.target} and its replacement: one is a coroutine function, one is not")
        counting = receipts.counting(self.target, self.by)
        setattr(owner, name, counting)
        rebind(found, counting)
        if left := others_that_hold(found):
            raise MutantStale(
                f"{self.target} is also held by {'; '.join(left)}: the replacement would not run there; "
                "look the function up where it is called, or replace what holds it"
            )


@dataclass(frozen=True, slots=True)
class Edit:
    """In the SQL text (or other string) `target`, write `new` for the one place that says `old`."""

    target: str
    old: str
    new: str

    def apply(self, receipts: Receipts, edited: Collection[str] = ()) -> None:
        """Make the edit; `edited` are the targets of every edit of the mutant."""
        owner, name, found = _find(self.target)
        text = str(found)
        if text.count(self.old) != 1:
            raise MutantStale(f"{self.target} says {self.old!r} {text.count(self.old)} times, not once")
        said = text.replace(self.old, self.new)
        new = said if isinstance(found, str) else type(found)(said)
        setattr(owner, name, new)
        rebind(found, new)
        if left := built_from(text, besides={*edited, f"{named(owner)}:{name}"}):
            raise MutantStale(
                f"{self.target} is part of {', '.join(left)}, put together before the edit: edit that too"
            )
        receipts.counting_statements(self.target, said)


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

    def apply(self) -> Receipts:
        """Make every substitution in this process and return what counts them.

        Raises:
            MutantStale: something to be replaced is gone, has changed, or is held where it cannot be reached.
        """
        from reference_system.mutants.receipts import Receipts  # noqa: PLC0415 - it imports the service

        receipts = Receipts(self.id, changes_schema=bool(self.schema))
        edited = [one.target for one in self.substitutions if isinstance(one, Edit)]
        for substitution in self.substitutions:
            if isinstance(substitution, Edit):
                substitution.apply(receipts, edited)
            else:
                substitution.apply(receipts)
        return receipts


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
