"""Budgets: how much a scenario may spend."""

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
    """The amounts that a scenario may spend; the value of the `budget` fixture.

    Args:
        rounds: repetitions of one race, each on its own slot.
        races: number of races drawn from a family of many, besides those that are always explored.
        bursts: burst sizes, i.e. numbers of requests that are released together.
        examples: examples of one property (Hypothesis).
        moments: number of moments at which a process or link fault is injected.
        records: number of consistent records, among which discrepancies are planted.
        growth: factor by which a growth measurement increases the number of records.
        repeat: number of runs of a whole scenario.
        load_rate: arrivals per second of a load profile.
        load_seconds: duration of a load profile, in seconds.
        schedules: maximum number per race; a race with more of them is not exhausted.
        minimising: maximum number of schedules run to shrink a finding.
        preemptions_two: bound on preemptions for a race of two actors.
        preemptions_three: the same for three or more.
        faults: number of faults at the fault points of a journey, one per run, that need neither a time-out
            nor a restart.
        stalls: the same for faults that need a time-out of the service.
        kills: the same for faults that need a restart of the service.
        upon_faults: number of second faults, each while a journey recovers from a first one.
        scenario_s: time limit of a scenario in seconds, unless the settings have one.
    """

    rounds: int
    races: int
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
        """The budget with its counts multiplied by `share` (above 0, at most 1), each at least one.

        Burst sizes, growth, load and the bounds of explorations are unchanged, because they define what
        is judged.
        """
        faults = ("faults", "stalls", "kills", "upon_faults")
        counted = ("rounds", "races", "examples", "moments", "records", *faults)
        return replace(self, **{name: math.ceil(getattr(self, name) * share) for name in counted})

    def preemptions(self, actors: int) -> int:
        """The bound on preemptions for a race of this many actors."""
        return self.preemptions_two if actors <= 2 else self.preemptions_three

    @property
    def burst(self) -> int:
        """The largest burst."""
        return max(self.bursts)


class BudgetTable(BaseModel):
    """A `[budget]` table: the amounts of a `Budget` that it sets."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rounds: _Count | None = None
    races: _Count | None = None
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
        """Return this table with missing amounts taken from `under`."""
        return BudgetTable(**{**under.said, **self.said})

    @property
    def said(self) -> dict[str, Any]:
        """The amounts that it sets."""
        return self.model_dump(exclude_none=True)

    @property
    def unsaid(self) -> tuple[str, ...]:
        """The names of the amounts that it does not set."""
        return tuple(field.name for field in fields(Budget) if field.name not in self.said)


def largest(tables: Iterable[BudgetTable]) -> BudgetTable:
    """The largest value of each amount; a scenario of several clauses must satisfy all of them."""
    amounts: dict[str, Any] = {}
    for table in tables:
        for name, amount in table.said.items():
            amounts[name] = max(amounts.get(name, amount), amount)
    return BudgetTable(**amounts)
