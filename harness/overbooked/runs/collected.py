"""What a worker collected, told to the controller in a file: xdist itself passes node ids only."""

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

FILE = "collection.json"


@dataclass(frozen=True, slots=True)
class Collected:
    """One trial that is to run.

    Args:
        scenario: node id without the trial's own name.
        trial: variant and repetition.
        clauses: full names of those asked, in the order the scenario is bound to them.
        family: every scenario of the same function, before anything could deselect one.
    """

    scenario: str
    trial: Trial
    clauses: tuple[str, ...]
    family: tuple[str, ...] = ()

    @property
    def key(self) -> tuple[str, str]:
        """What makes it one and no other: scenario and trial id."""
        return self.scenario, self.trial.id


def write(items: Sequence[pytest.Item], directory: Path) -> None:
    """Keep the trials of a session by node id; every worker writes the same."""
    from overbooked.plugin.items import ENTRY  # noqa: PLC0415 - the reader has no pytest

    trials = {}
    for item in items:
        entry = item.stash.get(ENTRY, None)
        if entry is not None:
            trials[item.nodeid] = [
                entry.scenario,
                entry.trial.variant,
                entry.trial.repetition,
                list(entry.asked),
                list(entry.family),
            ]
    write_whole(directory / FILE, json.dumps(trials))


def read(directory: Path) -> Mapping[str, Collected]:
    """The trials of a session by node id."""
    trials = json.loads((directory / FILE).read_text(encoding="utf-8"))
    return {
        nodeid: Collected(scenario, Trial(variant, repetition), tuple(clauses), tuple(family))
        for nodeid, (scenario, variant, repetition, clauses, family) in trials.items()
    }
