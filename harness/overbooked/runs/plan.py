"""The plan of one run: which clauses are asked of which variant, and within which bounds.

The command line writes it, every worker reads it; both see the same data and nothing else passes
between them in that direction.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from overbooked.atomic_write import write_whole
from overbooked.runs.exploration_options import Orders

HEALTHY = "healthy"
CANARY = "canary"

_PATHS = ("directory", "root", "start", "config")


@dataclass(frozen=True, slots=True)
class Variant:
    """The system as it is to be judged: healthy or with one mutant, on a stack of some shape.

    Args:
        name: `healthy`, a mutant's name, or `canary`.
        mutant: the mutant that is switched on.
        clauses: full names of the clauses asked of this variant.
        replicas: how many processes of the service; None: as many as the settings say.
        repeats: how often each scenario meets it.
        first_only: one scenario is enough (the canary).
        small: the budget of the smallest profile, whatever the run's own is.
        breaks: in a proof, full names of the clauses its mutant must open; a scenario of none of
            them, or of none that is not open yet, only looks for what else the mutant opens.
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
    """One scenario on one variant, for the n-th time (from 0)."""

    variant: str
    repetition: int = 0

    @property
    def id(self) -> str:
        """The trial as it stands in a node id."""
        return self.variant if not self.repetition else f"{self.variant}~{self.repetition + 1}"


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything a worker has to know of a run.

    Args:
        run: the run's id.
        directory: where its output goes; None keeps nothing.
        root: the project's folder; node ids are relative to it.
        start: where the command was called; relative settings are relative to it.
        settings: overrides of the settings, as `overbooked.config` takes them.
        config: a second settings file over overbooked.toml.
        seed: the one seed of everything random.
        variants: what is judged; the first is the run's own.
        plain: trials get no name of their own in node ids (an ordinary run has one variant).
        scenario_timeout_s: how long one scenario may take; None leaves it to the profile.
        deadline_at: end of the whole run, seconds since the epoch; None for none.
        done: `(scenario, trial id)` that an earlier run has finished.
        weights: expected seconds by scenario, where known, for longest-first order.
        orders: explore only this; None: everything that is asked.
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
    orders: Orders | None = None

    @property
    def folder(self) -> Path:
        """Its directory, of a plan that has one."""
        if self.directory is None:
            raise LookupError(f"the plan {self.run} keeps nothing")
        return self.directory

    def variant(self, name: str) -> Variant:
        """The variant of that name.

        Raises:
            LookupError: the plan has none of that name.
        """
        for variant in self.variants:
            if variant.name == name:
                return variant
        raise LookupError(f"the plan has no variant {name!r}")

    def trials(self, clauses: Sequence[str]) -> list[Trial]:
        """The trials of a scenario that is bound to these clauses."""
        return [
            Trial(variant.name, repetition)
            for variant in self.variants
            if set(clauses) & set(variant.clauses)
            for repetition in range(variant.repeats)
        ]

    def group(self, trial: Trial) -> str | None:
        """What a trial must share a worker with, for stacks to be renewed as rarely as can be.

        None: the run's own variant, or the healthy system of a proof, which every worker has anyway.
        """
        return None if trial.variant == self.variants[0].name else trial.variant

    def asked(self, trial: Trial, clauses: Sequence[str]) -> tuple[str, ...]:
        """Those of a scenario's clauses that are asked in a trial."""
        wanted = set(self.variant(trial.variant).clauses)
        return tuple(clause for clause in clauses if clause in wanted)

    def neighbouring(self, trial: Trial, asked: Sequence[str], opened: Collection[str] = frozenset()) -> bool:
        """Whether a trial only looks for what else a mutant opens.

        Args:
            trial: which variant, and for which time.
            asked: the clauses it is to judge.
            opened: those that other scenarios have found open on this variant, this time.
        """
        breaks = self.variant(trial.variant).breaks
        return bool(breaks) and not (set(breaks) & set(asked)).difference(opened)

    def write(self, path: Path) -> None:
        """Keep the plan in a file, whole or not at all."""
        data = asdict(self)
        for name in _PATHS:
            data[name] = str(data[name]) if data[name] else None
        data["done"] = sorted(self.done)
        write_whole(path, json.dumps(data, indent=1))

    @classmethod
    def read(cls, path: Path) -> Plan:
        """The plan that `write` kept."""
        data = json.loads(path.read_text(encoding="utf-8"))
        for name in _PATHS:
            data[name] = Path(data[name]) if data[name] else None
        data["variants"] = tuple(
            Variant(**{**one, "clauses": tuple(one["clauses"]), "breaks": tuple(one["breaks"])})
            for one in data["variants"]
        )
        data["done"] = frozenset((scenario, trial) for scenario, trial in data["done"])
        orders = data.get("orders")
        data["orders"] = Orders.from_dict(orders) if orders else None
        return cls(**data)
