"""The mutants of races, and the jobs of the workers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from overbooked.catalog.catalog import Catalog
from overbooked.catalog.model import Means
from tests.benchmarks.races.collecting import exploring
from tests.benchmarks.races.trials import HEALTHY

ROOT = Path(__file__).parents[3]
DESCRIPTOR = ROOT / "reference_system" / "target" / "system.toml"
HARD = ROOT / "scenarios" / "hard"
EXPLORATION, BURSTS, PLAIN, LOCUST, FRONTRUN = METHODS = (
    "exploration",
    "bursts",
    "plain",
    "locust",
    "frontrun",
)


def catalog() -> Catalog:
    """Return the bundled catalog with the hard set's."""
    return Catalog.load([HARD] if any(HARD.glob("*.toml")) else [])


def race_mutants(gaps: Catalog) -> dict[str, tuple[str, ...]]:
    """Return each mutant that breaks explored clauses, with these clauses, in order."""
    told = {clause for case in exploring() for clause in case.clauses}
    explored = [
        clause.name
        for clause in gaps.clauses.values()
        if Means.INTERLEAVINGS in clause.by and clause.name in told
    ]
    return {
        mutant.name: tuple(clause for clause in explored if clause in mutant.breaks)
        for mutant in gaps.mutants_breaking(explored)
    }


@dataclass(frozen=True, slots=True)
class Job:
    """The trials on one mutant on its own stack.

    Args:
        mutant: its name, or `healthy`.
        clauses: the clauses whose races are used.
        missing: for each trial, the methods that have not run yet.
        allowed_s: for trials that were explored before, the time that exploration took.
        seed: determines, with the trial's number, customers, keys and the order of bursts.
        floor_s: the minimum time of a method.
        limit_s: the maximum time of exploration.
        size: the number of concurrent requests.
    """

    mutant: str
    clauses: tuple[str, ...]
    missing: Mapping[int, tuple[str, ...]]
    allowed_s: Mapping[int, float]
    seed: int
    floor_s: float
    limit_s: float
    size: int

    @property
    def seeded(self) -> str | None:
        """The mutant to serve; None for the healthy system."""
        return None if self.mutant == HEALTHY else self.mutant

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def of_json(cls, document: dict[str, Any]) -> Job:
        missing = {int(number): tuple(methods) for number, methods in document["missing"].items()}
        allowed = {int(number): float(seconds) for number, seconds in document["allowed_s"].items()}
        return cls(
            **{
                **document,
                "clauses": tuple(document["clauses"]),
                "missing": missing,
                "allowed_s": allowed,
            }
        )
