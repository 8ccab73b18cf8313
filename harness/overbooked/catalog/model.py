"""The records of the catalog: a gap, its clauses and its seeded defects."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Means(StrEnum):
    """The means by which a clause is shown to hold."""

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
    """The priority of a gap; P0 is the highest."""

    P0 = "P0"
    P1 = "P1"
    P2 = "P2"
    P3 = "P3"


@dataclass(frozen=True, slots=True)
class Clause:
    """One sentence of a gap that is judged on its own.

    `by` lists the means that a proof needs, all of them.
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
    """One seeded defect; on its own it must open every clause in `breaks` (full names).

    `origin` is `blind` if its author had read only the clauses, else empty.
    """

    gap: str
    number: int
    breaks: tuple[str, ...]
    text: str
    origin: str = ""

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
