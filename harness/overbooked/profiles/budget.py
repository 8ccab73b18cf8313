"""How much a scenario may spend."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

_Count = Annotated[int, Field(ge=1)]
_Amount = Annotated[float, Field(gt=0)]


@dataclass(frozen=True, slots=True)
class Budget:
    """What a scenario spends on a clause; the `budget` fixture.

    Args:
        rounds: repetitions of one race, each on a slot of its own.
        bursts: how many requests are released together, one exploration a size.
        examples: examples of one property (Hypothesis).
        moments: points of time a process or link fault is spread over.
        records: records that agree, among which differences are planted.
        growth: how many times more records a measurement of growth uses.
        repeat: how often a whole scenario is run.
        load_rate: arrivals a second of a load profile.
        load_seconds: how long a load profile lasts.
        schedules: of one race, at most; a race with more of them is not exhausted.
        minimising: schedules that may be run to make one that breaks something smaller.
        preemptions_two: how often an actor of two is stopped that could have gone on.
        preemptions_three: the same of three or more.
        faults: at the fault points of a journey, one in a run, that cost neither a time-out nor a restart.
        stalls: the same that cost a time-out of the service's.
        kills: the same that cost its restart.
        upon_faults: second faults, each while a journey recovers from a first.
        scenario_s: seconds that a scenario may take, where the settings leave that to the profile.
    """

    rounds: int
    bursts: tuple[int, ...]
    examples: int
    moments: int
    records: int
    growth: int
    repeat: int
    load_rate: float
    load_seconds: float
    schedules: int
    minimising: int
    preemptions_two: int
    preemptions_three: int
    faults: int
    stalls: int
    kills: int
    upon_faults: int
    scenario_s: float

    def shared(self, share: float) -> Budget:
        """A share of it (above 0, at most 1): fewer of what is counted, nothing less than one.

        How large a burst is, how far growth is measured, how a load comes and how far a race is explored
        stay as they are: less of those would be another question.
        """
        faults = ("faults", "stalls", "kills", "upon_faults")
        counted = ("rounds", "examples", "moments", "records", *faults)
        return replace(self, **{name: math.ceil(getattr(self, name) * share) for name in counted})

    def preemptions(self, actors: int) -> int:
        """The bound for a race of so many."""
        return self.preemptions_two if actors <= 2 else self.preemptions_three

    @property
    def burst(self) -> int:
        """The largest burst."""
        return max(self.bursts)


class BudgetTable(BaseModel):
    """A `[budget]` table: those amounts of a `Budget` that it changes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rounds: _Count | None = None
    bursts: Annotated[tuple[Annotated[int, Field(ge=2)], ...], Field(min_length=1)] | None = None
    examples: _Count | None = None
    moments: _Count | None = None
    records: _Count | None = None
    growth: Annotated[int, Field(ge=2)] | None = None
    repeat: _Count | None = None
    load_rate: _Amount | None = None
    load_seconds: _Amount | None = None
    schedules: _Count | None = None
    minimising: _Count | None = None
    preemptions_two: _Count | None = None
    preemptions_three: _Count | None = None
    faults: _Count | None = None
    stalls: _Count | None = None
    kills: _Count | None = None
    upon_faults: _Count | None = None
    scenario_s: _Amount | None = None

    def over(self, under: BudgetTable) -> BudgetTable:
        """This table with the gaps filled from the one under it."""
        return BudgetTable(**{**under.said, **self.said})

    @property
    def said(self) -> dict[str, Any]:
        """The amounts it does change."""
        return self.model_dump(exclude_none=True)

    @property
    def unsaid(self) -> tuple[str, ...]:
        """The amounts it leaves alone."""
        return tuple(field.name for field in fields(Budget) if field.name not in self.said)


def largest(tables: Iterable[BudgetTable]) -> BudgetTable:
    """The most generous amount of each; a scenario of several clauses must satisfy all of them."""
    amounts: dict[str, Any] = {}
    for table in tables:
        for name, amount in table.said.items():
            amounts[name] = max(amounts.get(name, amount), amount)
    return BudgetTable(**amounts)
