"""A mutant: one plausible mistake, as substitutions that are made when the service starts.

    unlocked = Mutant("SYS-03.2", "Two customers get the last place.", schema=(NO_CONSTRAINT,))

    @unlocked.replace(places.claim)
    async def claim_then_lock(uow: UnitOfWork, slot_id: UUID) -> Row[Any]: ...

The service has no code for its mutants. A mutant does not load if it cannot find the code to replace or
cannot reach every reference to it, so a refactoring cannot silently turn it into the healthy service. The
code that a mutant puts in place counts its runs.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

from reference_system.mutants import references

if TYPE_CHECKING:
    from reference_system.mutants.receipts import Receipts

P = ParamSpec("P")
R = TypeVar("R")


class MutantStale(Exception):
    """The code that a mutant replaces is missing or has changed; the mutant must be brought up to date."""


class Mutant:
    """One seeded defect. `reference_system.mutants.listing` reads the arguments from the source, so they
    are literals (`schema` may be any expression).

    Args:
        id: gap and number, e.g. `SYS-03.1`; the number never changes.
        harm: what goes wrong and who is harmed, in one sentence.
        schema: SQL statements that the schema's owner runs once on a fresh database: what the same team
            would have written as a migration.
        cites: the published failure that it reproduces, if any.
        also_opens: further clauses that it opens and that the catalog does not list, each with the reason.
    """

    def __init__(
        self,
        id: str,  # noqa: A002 - the catalog's term
        harm: str,
        *,
        schema: tuple[str, ...] = (),
        cites: str = "",
        also_opens: Mapping[str, str] | None = None,
    ) -> None:
        self.id = id
        self.harm = harm
        self.schema = schema
        self.cites = cites
        self.also_opens: Mapping[str, str] = also_opens or {}
        self._substitutions: list[_Replacement | _Edit] = []

    @property
    def gap(self) -> str:
        """The gap that the mutant belongs to, e.g. `SYS-03`."""
        return self.id.rpartition(".")[0]

    def replace(self, target: Callable[P, R]) -> Callable[[Callable[P, R]], Callable[P, R]]:
        """Run the decorated function in place of `target`; it has the same parameters by name."""

        def register(by: Callable[P, R]) -> Callable[P, R]:
            self._substitutions.append(_Replacement(target, by, takes_original=False))
            return by

        return register

    def wrap(
        self, target: Callable[P, R]
    ) -> Callable[[Callable[Concatenate[Callable[P, R], P], R]], Callable[Concatenate[Callable[P, R], P], R]]:
        """As `replace`; the decorated function gets the original function as its first argument."""

        def register(
            by: Callable[Concatenate[Callable[P, R], P], R],
        ) -> Callable[Concatenate[Callable[P, R], P], R]:
            self._substitutions.append(_Replacement(target, by, takes_original=True))
            return by

        return register

    def edit(self, text: str, old: str, new: str) -> None:
        """Replace `old` by `new` in a text of the service, e.g. `store.LOCK_SLOT`.

        `old` must occur exactly once in the text.
        """
        self._substitutions.append(_Edit(text, old, new))

    def apply(self) -> Receipts:
        """Make every substitution in this process; returns the counters of the code put in place.

        Raises:
            MutantStale: the code to replace is missing or has changed, or an object that refers to it cannot
                be changed.
        """
        from reference_system.mutants.receipts import Receipts  # noqa: PLC0415 - it imports the service

        receipts = Receipts(self.id, changes_schema=bool(self.schema))
        edited = [where for one in self._substitutions if isinstance(one, _Edit) for where in one.holders()]
        for substitution in self._substitutions:
            if isinstance(substitution, _Edit):
                substitution.apply(receipts, edited)
            else:
                substitution.apply(receipts)
        return receipts


class _Replacement(references.Spared):
    __slots__ = ("_by", "_takes_original", "_target")

    def __init__(self, target: Callable[..., Any], by: Callable[..., Any], *, takes_original: bool) -> None:
        self._target = target
        self._by = by
        self._takes_original = takes_original

    def apply(self, receipts: Receipts) -> None:
        target = self._target
        name = f"{target.__module__}:{target.__qualname__}"
        self._check_signature(name)
        counting = receipts.counting(name, self._with_original if self._takes_original else self._by, target)
        if not references.rebind(target, counting):
            raise MutantStale(f"{name} is held by no module and no class of the service")
        if left := references.others_that_hold(target):
            raise MutantStale(
                f"{name} is also held by {'; '.join(left)}: the replacement would not run there; "
                "look the function up where it is called, or replace its holder"
            )

    def _with_original(self, *args: Any, **kwargs: Any) -> Any:
        return self._by(self._target, *args, **kwargs)

    def _check_signature(self, name: str) -> None:
        wanted = list(inspect.signature(self._target).parameters)
        offered = list(inspect.signature(self._by).parameters)[1 if self._takes_original else 0 :]
        if wanted != offered:
            raise MutantStale(f"{name} takes ({', '.join(wanted)}), its replacement ({', '.join(offered)})")
        if inspect.iscoroutinefunction(self._target) != inspect.iscoroutinefunction(self._by):
            raise MutantStale(f"{name} and its replacement: one is a coroutine function, the other is not")


class _Edit(references.Spared):
    __slots__ = ("_new", "_old", "_text")

    def __init__(self, text: str, old: str, new: str) -> None:
        self._text = text
        self._old = old
        self._new = new

    def holders(self) -> list[str]:
        """Return the names that refer to the text, as `module:NAME`."""
        return references.holders(self._text)

    def apply(self, receipts: Receipts, edited: Collection[str]) -> None:
        """Make the edit; `edited` are the names of all texts that the mutant edits."""
        holders = self.holders()
        if not holders:
            raise MutantStale(f"no module of the service holds the text {self._text[:60]!r}...")
        if self._text.count(self._old) != 1:
            raise MutantStale(
                f"{holders[0]} contains {self._old!r} {self._text.count(self._old)} times, not once"
            )
        text = self._text.replace(self._old, self._new)
        references.rebind(self._text, text)
        if left := references.built_from(self._text, besides=edited):
            raise MutantStale(
                f"{holders[0]} is part of {', '.join(left)}, composed before the edit: edit that too"
            )
        receipts.counting_statements(holders[0], text)
