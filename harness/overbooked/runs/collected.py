"""The collected trials of a run in a file for the controller, because xdist passes only node ids."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from overbooked.atomic_write import write_whole
from overbooked.runs.plan import Trial

if TYPE_CHECKING:
    import pytest

    from overbooked.plugin.items import TrialItem

FILE = "collection.json"
ELSEWHERE = "elsewhere.json"


@dataclass(frozen=True, slots=True)
class CollectedTrial:
    """One trial to run.

    Args:
        scenario: node id without the trial's own name.
        trial: variant and repetition.
        clauses: full names of the requested clauses, in the order of the scenario's binding.
        family: every scenario of the same function, before any deselection.
    """

    scenario: str
    trial: Trial
    clauses: tuple[str, ...]
    family: tuple[str, ...] = ()

    @property
    def key(self) -> tuple[str, str]:
        """Identifies the trial: scenario and trial id."""
        return self.scenario, self.trial.id


def write(items: Sequence[pytest.Item], directory: Path, elsewhere: Sequence[TrialItem] = ()) -> None:
    """Write the trials of a session by node id; every worker writes the same file.

    Args:
        items: the items that run here.
        directory: the folder of the run.
        elsewhere: trials of the run's other shards.
    """
    from overbooked.plugin.items import TRIAL_ITEM  # noqa: PLC0415 - the reader has no pytest

    trials = {}
    for item in items:
        entry = item.stash.get(TRIAL_ITEM, None)
        if entry is not None:
            trials[item.nodeid] = [
                entry.scenario,
                entry.trial.variant,
                entry.trial.repetition,
                list(entry.asked),
                list(entry.family),
            ]
    write_whole(directory / FILE, json.dumps(trials))
    if elsewhere:
        others = [[each.scenario, list(each.asked), list(each.family)] for each in elsewhere]
        write_whole(directory / ELSEWHERE, json.dumps(others))


@dataclass(frozen=True, slots=True)
class OtherScenario:
    """A scenario of another shard of the run: the clauses it judges and its function's scenarios."""

    scenario: str
    clauses: tuple[str, ...]
    family: tuple[str, ...]


def read_elsewhere(directory: Path) -> tuple[OtherScenario, ...]:
    """Return the scenarios of other shards; empty in a run without shards."""
    file = directory / ELSEWHERE
    if not file.exists():
        return ()
    rows = json.loads(file.read_text(encoding="utf-8"))
    return tuple(OtherScenario(scenario, tuple(clauses), tuple(family)) for scenario, clauses, family in rows)


def read(directory: Path) -> Mapping[str, CollectedTrial]:
    """Return the trials of a session by node id."""
    trials = json.loads((directory / FILE).read_text(encoding="utf-8"))
    return {
        nodeid: CollectedTrial(scenario, Trial(variant, repetition), tuple(clauses), tuple(family))
        for nodeid, (scenario, variant, repetition, clauses, family) in trials.items()
    }
