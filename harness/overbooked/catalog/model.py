"""A gap, its clauses and its seeded defects, as the catalog states them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Means(StrEnum):
    """By which means a clause is to be shown."""

    INTERLEAVINGS = "interleavings"
    FAULT_POINTS = "fault-points"
    BURSTS = "bursts"
    TOXICS = "toxics"
    PROCESS = "process"
    PROPERTIES = "properties"
    MATRIX = "matrix"
    JOURNEY = "journey"
    BROWSER = "browser"
    LOAD = "load"
    MEASURE = "measure"


class Priority(StrEnum):
    """How much a gap matters; P0 first."""

    P0 = "P0"
    P1 = "P1"
    P2 = "P2"
    P3 = "P3"


@dataclass(frozen=True, slots=True)
class Clause:
    """One sentence of a gap that is judged by itself.

    `by` are the means that a convincing proof needs, all of them.
    """

    gap: str
    letter: str
    by: tuple[Means, ...]
    text: str

    @property
    def name(self) -> str:
        """The full name, e.g. `SYS-03.a`."""
        return f"{self.gap}.{self.letter}"


@dataclass(frozen=True, slots=True)
class Mutant:
    """One seeded defect; alone it must open every clause it breaks (full names)."""

    gap: str
    number: int
    breaks: tuple[str, ...]
    text: str

    @property
    def name(self) -> str:
        """The full name, e.g. `SYS-03.2`."""
        return f"{self.gap}.{self.number}"


@dataclass(frozen=True, slots=True)
class Gap:
    """One known gap. `same_as` names the gaps whose scenarios also judge this one."""

    id: str
    title: str
    priority: Priority
    theme: str
    clauses: tuple[Clause, ...]
    mutants: tuple[Mutant, ...]
    source: str = ""
    impact: str = ""
    same_as: tuple[str, ...] = ()

    def mutants_breaking(self, clause: str) -> tuple[Mutant, ...]:
        """This gap's mutants that break a clause (full name)."""
        return tuple(mutant for mutant in self.mutants if clause in mutant.breaks)
