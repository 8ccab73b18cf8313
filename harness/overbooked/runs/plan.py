"""The plan of one run: the clauses that are judged on each variant, and the limits.

The command line writes it and every worker reads it; it is the only data that passes in that direction.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from overbooked.atomic_write import write_whole
from overbooked.runs.exploration_options import ExplorationOptions

HEALTHY = "healthy"
CANARY = "canary"

_PATHS = ("directory", "root", "start", "config")


@dataclass(frozen=True, slots=True)
class Variant:
    """A variant of the system under test: healthy or with one mutant, on a stack of some shape.

    Args:
        name: `healthy`, a mutant's name, or `canary`.
        mutant: the active mutant; None: none.
        clauses: full names of the clauses requested of this variant.
        replicas: number of processes of the service; None: as configured.
        repeats: how often each scenario runs on it.
        first_only: whether one scenario is enough (the canary).
        small: whether to use the budget of the smallest profile, independent of the run's profile.
        breaks: in a proof, full names of the clauses that its mutant must open; a scenario that has
            none of them, or only opened ones, just checks for other clauses that the mutant opens.
    """

    name: str
    mutant: str | None
    clauses: tuple[str, ...]
    replicas: int | None = None
    repeats: int = 1
    first_only: bool = False
    small: bool = False
    breaks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, order=True)
class Trial:
    """One scenario on one variant, with the repetition (from 0)."""

    variant: str
    repetition: int = 0

    @property
    def id(self) -> str:
        """The trial as part of a node id."""
        return self.variant if not self.repetition else f"{self.variant}~{self.repetition + 1}"


@dataclass(frozen=True, slots=True)
class Plan:
    """All data that a worker needs for a run.

    Args:
        run: the run's id.
        directory: the output folder; None: nothing is kept.
        root: the project's folder; node ids are relative to it.
        start: the folder in which the command was called; settings paths are relative to it.
        settings: overrides of the settings, as `overbooked.config` takes them.
        config: a second settings file that overrides overbooked.toml.
        seed: the seed from which all random choices are derived.
        variants: the variants to judge; the first is the run's own.
        plain: trials get no separate name in node ids (an ordinary run has one variant).
        scenario_timeout_s: time limit of one scenario; None: as the profile defines.
        deadline_at: end of the whole run, seconds since the epoch; None: no deadline.
        done: `(scenario, trial id)` of trials that an earlier run has finished.
        weights: expected seconds by scenario if known, for longest-first order.
        orders: restricts explorations; None: everything that is requested.
        shard: (i, n) of the scenarios, from 1; a canary runs in every shard.
    """

    run: str
    directory: Path | None
    root: Path
    start: Path
    settings: Mapping[str, Any]
    seed: int
    variants: tuple[Variant, ...]
    config: Path | None = None
    plain: bool = True
    scenario_timeout_s: float | None = None
    deadline_at: float | None = None
    done: frozenset[tuple[str, str]] = frozenset()
    weights: Mapping[str, float] = field(default_factory=dict)
    orders: ExplorationOptions | None = None
    shard: tuple[int, int] = (1, 1)

    @property
    def folder(self) -> Path:
        """The output folder; raises LookupError if the plan has none."""
        if self.directory is None:
            raise LookupError(f"the plan {self.run} has no output folder")
        return self.directory

    def variant(self, name: str) -> Variant:
        """Return the variant of that name.

        Raises:
            LookupError: the plan has no such variant.
        """
        for variant in self.variants:
            if variant.name == name:
                return variant
        raise LookupError(f"the plan has no variant {name!r}")

    def trials(self, clauses: Sequence[str]) -> list[Trial]:
        """Return the trials of a scenario that is bound to these clauses."""
        return [
            Trial(variant.name, repetition)
            for variant in self.variants
            if set(clauses) & set(variant.clauses)
            for repetition in range(variant.repeats)
        ]

    def group(self, trial: Trial) -> str | None:
        """Return the group of trials that share a worker, so that stacks are renewed as rarely as possible.

        None for the run's own variant or the healthy system of a proof, which every worker runs anyway.
        """
        return None if trial.variant == self.variants[0].name else trial.variant

    def asked(self, trial: Trial, clauses: Sequence[str]) -> tuple[str, ...]:
        """Return the scenario's clauses that are requested in a trial."""
        wanted = set(self.variant(trial.variant).clauses)
        return tuple(clause for clause in clauses if clause in wanted)

    def checks_side_effects_only(
        self, trial: Trial, asked: Sequence[str], opened: Collection[str] = frozenset()
    ) -> bool:
        """Return whether a trial only checks for other clauses that a mutant opens.

        Args:
            trial: variant and repetition.
            asked: the clauses that it judges.
            opened: the clauses that other scenarios have opened on this variant in this repetition.
        """
        breaks = self.variant(trial.variant).breaks
        return bool(breaks) and not (set(breaks) & set(asked)).difference(opened)

    def write(self, path: Path) -> None:
        """Write the plan to a file, atomically."""
        data = asdict(self)
        for name in _PATHS:
            data[name] = str(data[name]) if data[name] else None
        data["done"] = sorted(self.done)
        write_whole(path, json.dumps(data, indent=1))

    @classmethod
    def read(cls, path: Path) -> Plan:
        """Read a plan that `write` wrote."""
        data = json.loads(path.read_text(encoding="utf-8"))
        for name in _PATHS:
            data[name] = Path(data[name]) if data[name] else None
        data["variants"] = tuple(
            Variant(**{**one, "clauses": tuple(one["clauses"]), "breaks": tuple(one["breaks"])})
            for one in data["variants"]
        )
        data["done"] = frozenset((scenario, trial) for scenario, trial in data["done"])
        orders = data.get("orders")
        data["orders"] = ExplorationOptions.from_dict(orders) if orders else None
        data["shard"] = tuple(data.get("shard", (1, 1)))
        return cls(**data)
