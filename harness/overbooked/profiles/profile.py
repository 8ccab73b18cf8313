"""A profile: the means asked for, their budgets, and why other means are not asked for."""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources

from pydantic import BaseModel, ConfigDict

from overbooked.catalog.catalog import Catalog
from overbooked.catalog.model import Clause, Gap, Means
from overbooked.catalog.selection import Selection
from overbooked.errors import ConfigError
from overbooked.profiles.budget import Budget, BudgetTable, largest

BUNDLED = ("quick", "ci", "nightly")


class ProfileTable(BaseModel):
    """A profile in a TOML file or a `[profiles.NAME]` table.

    `extends` names another profile that supplies missing values. A table with the name of a bundled
    profile changes that one. `budgets` are by gap or clause.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    summary: str = ""
    extends: str | None = None
    means: tuple[Means, ...] | None = None
    not_asked: dict[Means, str] = {}
    budget: BudgetTable = BudgetTable()
    budgets: dict[str, BudgetTable] = {}

    def over(self, under: ProfileTable) -> ProfileTable:
        """Return this table with missing values taken from `under`."""
        budgets = {
            name: self.budgets.get(name, BudgetTable()).over(under.budgets.get(name, BudgetTable()))
            for name in {**under.budgets, **self.budgets}
        }
        return ProfileTable(
            summary=self.summary or under.summary,
            extends=under.extends,
            means=under.means if self.means is None else self.means,
            not_asked={**under.not_asked, **self.not_asked},
            budget=self.budget.over(under.budget),
            budgets=budgets,
        )


@dataclass(frozen=True, slots=True)
class Profile:
    """A complete profile.

    Args:
        name: its name in settings and on the command line.
        summary: its purpose in one sentence.
        means: a clause is asked if all its means are among these.
        not_asked: reasons why other means are not asked for, if there is a special one.
        budget: the amounts that a scenario may spend.
        budgets: changes to the budget, by gap or clause.
    """

    name: str
    summary: str
    means: frozenset[Means]
    not_asked: Mapping[Means, str]
    budget: Budget
    budgets: Mapping[str, BudgetTable] = field(default_factory=dict)

    def budget_for(self, clauses: Iterable[str]) -> Budget:
        """The budget of a scenario that judges these clauses (full names).

        The budget of a clause overrides that of its gap. If the clauses have different amounts, the
        largest applies.
        """
        said = []
        for clause in clauses:
            gap, _, _ = clause.rpartition(".")
            of_gap = self.budgets.get(gap, BudgetTable())
            said.append(self.budgets.get(clause, BudgetTable()).over(of_gap).over(_table(self.budget)))
        return _budget(largest(said).over(_table(self.budget)))

    @property
    def largest_burst(self) -> int:
        """The largest number of requests that a scenario releases together."""
        changed = [table.bursts or () for table in self.budgets.values()]
        return max(size for sizes in (self.budget.bursts, *changed) for size in sizes)

    def asks(self, clause: Clause) -> str:
        """The reason why the profile does not ask for a clause; "" if it does."""
        missing = [means for means in clause.by if means not in self.means]
        if not missing:
            return ""
        reasons = dict.fromkeys(self.not_asked.get(means, "") for means in missing)
        words = f"profile {self.name} does not ask for {', '.join(missing)}"
        return ": ".join([words, *filter(None, ["; ".join(filter(None, reasons))])])

    def select(self, gaps: Sequence[Gap], *, only: Collection[str] = (), narrowed: bool = False) -> Selection:
        """Select the clauses of some gaps that this profile asks for.

        Args:
            gaps: the gaps of the run.
            only: full names of clauses that the user named; other clauses of their gaps are not
                asked. A named clause that the profile does not ask for is not asked either.
            narrowed: the user chose these gaps; see `Selection`.
        """
        asked: list[str] = []
        not_asked: dict[str, str] = {}
        narrow_gaps = {name.rpartition(".")[0] for name in only}
        for gap in gaps:
            for clause in gap.clauses:
                reason = self.asks(clause)
                if not reason and gap.id in narrow_gaps and clause.name not in only:
                    reason = "not among the clauses named"
                if reason:
                    not_asked[clause.name] = reason
                else:
                    asked.append(clause.name)
        return Selection(tuple(gaps), tuple(asked), not_asked, narrowed or bool(only))

    def check(self, catalog: Catalog) -> None:
        """Check that budgets name gaps and clauses of the catalog.

        Raises:
            UnknownGap: the message lists the nearest names.
        """
        catalog.clauses_of(self.budgets)


def load_profile(name: str, own: Mapping[str, ProfileTable] | None = None) -> Profile:
    """Load a profile by name: bundled, the user's own, or bundled with the user's changes.

    Args:
        name: `quick`, `ci`, `nightly` or a name in `own`.
        own: the `[profiles.NAME]` tables of the settings.

    Raises:
        ConfigError: there is no such profile, profiles extend each other in a circle, or the result
            has no means or lacks an amount of its budget.
    """
    table = _resolved(name, own or {}, ())
    if table.means is None:
        raise ConfigError(f"profiles.{name}.means: expected the means it asks for, or `extends`")
    if table.budget.unsaid:
        raise ConfigError(f"profiles.{name}.budget: expected {', '.join(table.budget.unsaid)}, or `extends`")
    return Profile(
        name=name,
        summary=table.summary,
        means=frozenset(table.means),
        not_asked={means: why for means, why in table.not_asked.items() if means not in table.means},
        budget=_budget(table.budget),
        budgets=table.budgets,
    )


def _resolved(name: str, own: Mapping[str, ProfileTable], seen: tuple[str, ...]) -> ProfileTable:
    if name in seen:
        raise ConfigError(f"profiles.{name}.extends: circular: {' -> '.join([*seen, name])}")
    table = own.get(name)
    if name in BUNDLED:
        bundled = _bundled(name)
        table = (
            table.over(bundled).model_copy(update={"extends": table.extends or bundled.extends})
            if table
            else bundled
        )
    if table is None:
        known = ", ".join(dict.fromkeys([*BUNDLED, *own]))
        raise ConfigError(f"profile: there is no profile {name!r}; there are {known}")
    return table.over(_resolved(table.extends, own, (*seen, name))) if table.extends else table


def _bundled(name: str) -> ProfileTable:
    text = resources.files("overbooked.profiles").joinpath(f"{name}.toml").read_text("utf-8")
    return ProfileTable.model_validate(tomllib.loads(text))


def _table(budget: Budget) -> BudgetTable:
    return BudgetTable(**{name: getattr(budget, name) for name in BudgetTable.model_fields})


def _budget(table: BudgetTable) -> Budget:
    return Budget(**table.said)
