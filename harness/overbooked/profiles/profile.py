"""A profile: which means are asked, with what budgets, and what is not asked and why."""

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
    """A profile as a TOML file or a `[profiles.NAME]` table says it.

    `extends` names another profile whose words hold where this one is silent; a table with a
    bundled profile's name changes that one. `budgets` are by gap or clause.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    summary: str = ""
    extends: str | None = None
    means: tuple[Means, ...] | None = None
    not_asked: dict[Means, str] = {}
    budget: BudgetTable = BudgetTable()
    budgets: dict[str, BudgetTable] = {}

    def over(self, under: ProfileTable) -> ProfileTable:
        """This table, silent places filled from the one under it."""
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
    """A profile ready for use.

    Args:
        name: as it is chosen.
        summary: what it is for, in one sentence.
        means: a clause is asked when all its means are among these.
        not_asked: why the other means are not, where there is more to say than that.
        budget: what a scenario may spend.
        budgets: changes to it, by gap or clause.
    """

    name: str
    summary: str
    means: frozenset[Means]
    not_asked: Mapping[Means, str]
    budget: Budget
    budgets: Mapping[str, BudgetTable] = field(default_factory=dict)

    def budget_for(self, clauses: Iterable[str]) -> Budget:
        """The budget of a scenario that judges these clauses (full names).

        What is said of a clause outranks what is said of its gap; where the scenario's clauses
        differ it gets the larger amount.
        """
        said = []
        for clause in clauses:
            gap, _, _ = clause.rpartition(".")
            of_gap = self.budgets.get(gap, BudgetTable())
            said.append(self.budgets.get(clause, BudgetTable()).over(of_gap).over(_table(self.budget)))
        return _budget(largest(said).over(_table(self.budget)))

    @property
    def largest_burst(self) -> int:
        """The most requests that any scenario releases together."""
        changed = [table.bursts or () for table in self.budgets.values()]
        return max(size for sizes in (self.budget.bursts, *changed) for size in sizes)

    def asks(self, clause: Clause) -> str:
        """Empty when the profile asks for a clause, else the reason why not."""
        missing = [means for means in clause.by if means not in self.means]
        if not missing:
            return ""
        reasons = dict.fromkeys(self.not_asked.get(means, "") for means in missing)
        words = f"profile {self.name} does not ask for {', '.join(missing)}"
        return ": ".join([words, *filter(None, ["; ".join(filter(None, reasons))])])

    def select(self, gaps: Sequence[Gap], *, only: Collection[str] = (), narrowed: bool = False) -> Selection:
        """Which clauses of some gaps this profile asks for.

        Args:
            gaps: the gaps of the run.
            only: full names of clauses that were asked for by name; of their gaps nothing else
                is asked. What the profile does not ask for it does not ask for by name either:
                no scenario could answer it.
            narrowed: somebody chose these gaps; see `Selection`.
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
        """Refuse budgets for gaps and clauses that the catalog does not have.

        Raises:
            UnknownGap: naming the nearest.
        """
        catalog.clauses_of(self.budgets)


def load_profile(name: str, own: Mapping[str, ProfileTable] | None = None) -> Profile:
    """A profile by its name: a bundled one, one of the user's own, or the first changed by the second.

    Args:
        name: `quick`, `ci`, `nightly` or a name in `own`.
        own: the `[profiles.NAME]` tables of the settings.

    Raises:
        ConfigError: there is none of that name, profiles extend each other in a circle, or the
            result lacks its means or an amount of its budget.
    """
    table = _resolved(name, own or {}, ())
    if table.means is None:
        raise ConfigError(f"profiles.{name}.means: wanted the means it asks for; or say `extends`")
    if table.budget.unsaid:
        raise ConfigError(
            f"profiles.{name}.budget: wanted {', '.join(table.budget.unsaid)}; or say `extends`"
        )
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
        raise ConfigError(f"profiles.{name}.extends: a circle: {' -> '.join([*seen, name])}")
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
