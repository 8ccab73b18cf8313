"""What is to be hunted: the mutants of races, and what one worker is told to do."""

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
    """The bundled catalog and the hard set's."""
    return Catalog.load([HARD] if any(HARD.glob("*.toml")) else [])


def race_mutants(gaps: Catalog) -> dict[str, tuple[str, ...]]:
    """Each mutant that breaks clauses which scenarios explore, with these clauses, in order."""
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
    """One mutant's hunt on a stack of its own.

    Args:
        mutant: its name, or `healthy`.
        clauses: whose races are hunted on.
        missing: for each trial, the methods that have not been tried in it.
        allowed_s: for trials that were explored before, the time it took.
        seed: people, keys and the order of bursts follow from it and the trial's number.
        floor_s: the least time a method gets.
        limit_s: the most time exploration gets.
        size: requests sent at once.
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
        """The mutant to serve; None: the healthy system."""
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
