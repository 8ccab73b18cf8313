"""Orders: what a run is to explore, where it is not to explore everything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from overbooked.interleavings.scheduler.strategy import Choice
from overbooked.traces.trace import Trace

# The name under which a command has its watcher among pytest's plugins, in its own process.
WATCHER = "overbooked-watcher"


@dataclass(frozen=True, slots=True)
class Orders:
    """What of its scenarios' explorations a run is to do; only scenarios that explore run at all.

    Where one schedule is to be run, only the first scenario that fits does.

    Args:
        scenario: the node id of the only one that runs, parameters included; "": all that explore.
        match: only scenarios whose node id contains this.
        clause: what the schedule is to open; "": the scenario's first.
        race: the name of the only race within it that is run; "": with a schedule the first.
        schedule: run exactly this one; None: explore.
        step: a person chooses who goes next; the watcher asks.
        shard: (i, n), from 1: explore only the i-th of n disjoint parts of every race.
        preemptions: the bound; None: as the profile says.
        orders_commits: the commit of an autocommit statement and the end of a session are steps.
        bundles: whether what is found leaves a bundle.
        scenario_seed: the scenario's seed the first time it runs; None: derived from the run's.
    """

    scenario: str = ""
    match: str = ""
    clause: str = ""
    race: str = ""
    schedule: tuple[int, ...] | None = None
    step: bool = False
    shard: tuple[int, int] = (1, 1)
    preemptions: int | None = None
    scenario_seed: int | None = None
    bundles: bool = True
    orders_commits: bool = True

    @property
    def one(self) -> bool:
        """Whether a single schedule is to be run."""
        return self.step or self.schedule is not None

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Orders:
        """Orders as `dataclasses.asdict` made them, after a way through JSON."""
        schedule = data["schedule"]
        taken = None if schedule is None else tuple(schedule)
        return cls(**{**data, "schedule": taken, "shard": tuple(data["shard"])})


class Watcher(Protocol):
    """Who follows an exploration from the command line, in the same process."""

    def ran(self, race: str, trace: Trace) -> None:
        """A schedule of a race was run and is judged next."""

    async def choose(self, choice: Choice, so_far: Trace) -> int | None:
        """Say who goes next, given what has happened until then; None: go on as usual to the end."""
