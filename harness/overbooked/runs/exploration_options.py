"""Options of explorations: the races that a run explores, and the strategy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from overbooked.fault_points.results import SweepResult
from overbooked.interleavings.scheduler.strategy import SchedulingPoint
from overbooked.traces.trace import Trace

# The name under which a command registers its observer as a pytest plugin, in its own process.
WATCHER = "overbooked-watcher"


@dataclass(frozen=True, slots=True)
class ExplorationOptions:
    """Restricts the explorations of a run; only scenarios that explore are run.

    If one schedule is requested, only the first matching scenario is run.

    Args:
        scenario: the node id of the only scenario to run, parameters included; "": all that explore.
        match: run only scenarios whose node id contains this.
        clause: the clause that the schedule must open; "": the scenario's first.
        race: the name of the only race to run; "": with a schedule, the first.
        schedule: the only schedule to run; None: explore.
        step: whether the user chooses the next actor; the observer asks.
        shard: (i, n), from 1: explore only the i-th of n disjoint parts of every race.
        preemptions: the bound; None: that of the profile.
        strategy: `random` or `pct` draw schedules; "": all of them within the bound are searched.
        schedules: maximum number for each race; None: that of the profile or the strategy.
        depth: the depth of PCT; None: its default.
        orders_commits: whether the commit of an autocommit statement and the end of a session are steps.
        orders_begins: whether the beginning of an actor is a step.
        bundles: whether findings are written as bundles.
        scenario_seed: the scenario's seed the first time it runs; None: derived from the run's.
        faults: run exactly this fault plan in a scenario that sweeps, a `RecordedFaults` as JSON; None:
            none.
    """

    scenario: str = ""
    match: str = ""
    clause: str = ""
    race: str = ""
    schedule: tuple[int, ...] | None = None
    step: bool = False
    shard: tuple[int, int] = (1, 1)
    preemptions: int | None = None
    strategy: str = ""
    schedules: int | None = None
    depth: int | None = None
    scenario_seed: int | None = None
    bundles: bool = True
    orders_commits: bool = True
    orders_begins: bool = True
    faults: Mapping[str, Any] | None = None

    @property
    def one(self) -> bool:
        """Whether a single schedule or fault plan is to be run."""
        return self.step or self.schedule is not None or self.faults is not None

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ExplorationOptions:
        """Return options from the result of `dataclasses.asdict`, after a JSON round trip."""
        schedule = data["schedule"]
        taken = None if schedule is None else tuple(schedule)
        return cls(**{**data, "schedule": taken, "shard": tuple(data["shard"])})


class ExplorationObserver(Protocol):
    """Observes an exploration for the command line, in the same process."""

    def ran(self, race: str, trace: Trace) -> None:
        """A schedule of a race was run and is judged next."""

    def swept(self, found: SweepResult) -> None:
        """A fault plan was run."""

    async def choose(self, choice: SchedulingPoint, so_far: Trace) -> int | None:
        """Return the next actor, given what has happened so far; None: continue to the end without asking."""
