"""The kill matrix: whether each mutant opened the clauses that it breaks, and the healthy system none."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from overbooked.catalog.catalog import Catalog
from overbooked.verdicts.verdict import Verdict, worst

HEALTHY = "healthy"
MATRIX_VERSION = 1


class CellState(StrEnum):
    """The result for a clause under a mutant (or on the healthy system)."""

    KILLED = "open as expected"
    MISSED = "missed"
    NOT_ASKED = "not asked"
    NOT_RUN = "not run"
    ALSO_OPENED = "also opened"
    QUIET = "closed"
    FALSE_ALARM = "false alarm"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True)
class Observation:
    """One verdict on one clause under a mutant (None: healthy), with the repetition (from 0)."""

    mutant: str | None
    clause: str
    repetition: int
    verdict: Verdict
    reason: str = ""
    duration_s: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        return {
            "mutant": self.mutant,
            "clause": self.clause,
            "repetition": self.repetition,
            "verdict": self.verdict.value,
            "reason": self.reason,
            "duration_s": round(self.duration_s, 3),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Observation:
        return cls(**{**data, "verdict": Verdict(data["verdict"])})


@dataclass(frozen=True, slots=True)
class Cell:
    """One clause under one mutant (None: healthy), over all repetitions.

    Args:
        expected: whether the mutant breaks the clause, according to the catalog.
        asked: whether the profile requests the clause.
        explained: the target's explanation of an unexpected opening.
    """

    mutant: str | None
    clause: str
    expected: bool
    asked: bool
    verdicts: tuple[Verdict, ...] = ()
    reasons: tuple[str, ...] = ()
    explained: str = ""

    @property
    def state(self) -> CellState:
        if not self.asked:
            return CellState.NOT_ASKED
        if not self.verdicts:
            return CellState.NOT_RUN
        if self.expected:
            killed = all(verdict is Verdict.OPEN for verdict in self.verdicts)
            return CellState.KILLED if killed else CellState.MISSED
        if Verdict.OPEN in self.verdicts:
            return CellState.FALSE_ALARM if self.mutant is None else CellState.ALSO_OPENED
        return CellState.QUIET if worst(self.verdicts) is Verdict.CLOSED else CellState.UNDECIDED

    @property
    def flaky(self) -> bool:
        """Whether repetitions disagree."""
        return len(set(self.verdicts)) > 1

    @property
    def wrong(self) -> int:
        """The number of repetitions with a wrong verdict; an explained opening is not wrong."""
        right = {Verdict.OPEN} if self.expected else {Verdict.CLOSED}
        if self.explained or (self.mutant is not None and not self.expected):
            # An unexpected opening by a mutant is reported, but is not a wrong verdict.
            right = {*right, Verdict.OPEN}
        return sum(verdict not in right for verdict in self.verdicts)

    def as_dict(self) -> dict[str, Any]:
        return {
            "mutant": self.mutant or HEALTHY,
            "clause": self.clause,
            "state": self.state.value,
            "expected": self.expected,
            "verdicts": [verdict.value for verdict in self.verdicts],
            "flaky": self.flaky,
            "reasons": list(self.reasons),
            "explained": self.explained,
        }


@dataclass(frozen=True, slots=True)
class KillMatrix:
    """Clauses by mutants; the healthy system is the column None.

    Args:
        clauses: the rows: full names, in order.
        mutants: the columns; None first.
        cells: the cells by (mutant, clause).
        observations: the verdicts from which it was built.
        texts: the description of each mutant, by name.
        about: seed, profile, stack, repetitions, versions ... of the proof.
    """

    clauses: tuple[str, ...]
    mutants: tuple[str | None, ...]
    cells: Mapping[tuple[str | None, str], Cell]
    observations: tuple[Observation, ...]
    texts: Mapping[str, str] = field(default_factory=dict)
    about: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def build(
        cls,
        catalog: Catalog,
        observations: Iterable[Observation],
        *,
        clauses: Sequence[str],
        mutants: Sequence[str],
        asked: Collection[str],
        healthy: Collection[str] | None = None,
        explained: Mapping[tuple[str, str], str] | None = None,
        about: Mapping[str, Any] | None = None,
    ) -> KillMatrix:
        """Return the matrix of some clauses and mutants.

        Args:
            catalog: defines which mutant breaks which clause.
            observations: all verdicts.
            clauses: the rows.
            mutants: the columns, without the healthy system.
            asked: the clauses that the profile requests.
            healthy: those judged on the healthy system in this part of a proof; None: all of them.
            explained: the reasons of unexpected openings, by (mutant, clause).
            about: seed, profile, stack, versions ... of the proof, JSON-compatible.
        """
        seen = tuple(sorted(observations, key=lambda o: o.repetition))
        rows = tuple(dict.fromkeys([*clauses, *(o.clause for o in seen)]))
        columns: tuple[str | None, ...] = (None, *mutants)
        grouped: dict[tuple[str | None, str], dict[int, list[Observation]]] = {}
        for each in seen:
            grouped.setdefault((each.mutant, each.clause), {}).setdefault(each.repetition, []).append(each)
        cells = {}
        for mutant in columns:
            breaks = catalog.mutant(mutant).breaks if mutant else ()
            for clause in rows:
                repetitions = grouped.get((mutant, clause), {})
                cells[mutant, clause] = Cell(
                    mutant=mutant,
                    clause=clause,
                    expected=clause in breaks,
                    asked=clause in (asked if mutant or healthy is None else healthy),
                    # The worst verdict of the scenarios that judge a clause in one repetition.
                    verdicts=tuple(worst(o.verdict for o in group) for group in repetitions.values()),
                    reasons=tuple(
                        dict.fromkeys(o.reason for group in repetitions.values() for o in group if o.reason)
                    ),
                    explained=(explained or {}).get((mutant or "", clause), ""),
                )
        texts = {mutant: catalog.mutant(mutant).text for mutant in mutants}
        return cls(rows, columns, cells, seen, texts, dict(about or {}))

    # -- results -------------------------------------------------------------------------------

    def _in(self, state: CellState) -> tuple[Cell, ...]:
        return tuple(cell for cell in self.cells.values() if cell.state is state)

    @property
    def killed(self) -> tuple[str, ...]:
        """Mutants that opened every requested clause that they break, at least one, in every repetition."""
        return tuple(
            m
            for m in self._seeded
            if (cells := self._expected(m)) and all(cell.state is CellState.KILLED for cell in cells)
        )

    @property
    def survivors(self) -> tuple[str, ...]:
        """Mutants that did not open a requested clause that they break in some repetition."""
        missed = {cell.mutant for cell in self.missed}
        return tuple(m for m in self._seeded if m in missed)

    @property
    def unproven(self) -> tuple[str, ...]:
        """Mutants that break no requested clause, so that the proof does not cover them."""
        return tuple(m for m in self._seeded if not self._expected(m))

    @property
    def false_alarms(self) -> tuple[Cell, ...]:
        """Clauses that opened on the healthy system."""
        return self._in(CellState.FALSE_ALARM)

    @property
    def undecided(self) -> tuple[Cell, ...]:
        """Clauses that were not expected to open and were neither open nor closed."""
        return self._in(CellState.UNDECIDED)

    @property
    def missed(self) -> tuple[Cell, ...]:
        """Clauses that a mutant breaks and that did not open in every repetition."""
        return self._in(CellState.MISSED)

    @property
    def also_opened(self) -> tuple[Cell, ...]:
        """Clauses that a mutant opened although the catalog does not list them."""
        return self._in(CellState.ALSO_OPENED)

    @property
    def unexplained(self) -> tuple[Cell, ...]:
        """The cells of `also_opened` without an explanation."""
        return tuple(cell for cell in self.also_opened if not cell.explained)

    @property
    def not_run(self) -> tuple[Cell, ...]:
        """Requested clauses of the healthy system, and those that a mutant breaks, without a verdict."""
        return tuple(c for c in self._in(CellState.NOT_RUN) if c.expected or c.mutant is None)

    @property
    def flaky(self) -> tuple[Cell, ...]:
        """Clauses whose repetitions disagree."""
        return tuple(cell for cell in self.cells.values() if cell.flaky)

    @property
    def wrong_verdicts(self) -> int:
        """The number of wrong verdicts over all repetitions."""
        return sum(cell.wrong for cell in self.cells.values())

    @property
    def proven(self) -> bool:
        """Whether no mutant survived, and there is no false alarm, undecided or missing verdict."""
        healthy = any(cell.mutant is None for cell in self.undecided)
        return not (self.survivors or self.false_alarms or healthy or self.not_run)

    @property
    def _seeded(self) -> tuple[str, ...]:
        return tuple(mutant for mutant in self.mutants if mutant is not None)

    def _expected(self, mutant: str) -> tuple[Cell, ...]:
        cells = (self.cells[mutant, clause] for clause in self.clauses)
        return tuple(cell for cell in cells if cell.expected and cell.asked)

    def as_dict(self) -> dict[str, Any]:
        """Return the matrix, JSON-compatible: the results, the non-empty cells, and every observation."""
        return {
            "matrix_version": MATRIX_VERSION,
            "about": dict(self.about),
            "proven": self.proven,
            "wrong_verdicts": self.wrong_verdicts,
            "killed": list(self.killed),
            "survivors": list(self.survivors),
            "unproven": list(self.unproven),
            "false_alarms": [cell.clause for cell in self.false_alarms],
            "flaky": [cell.as_dict() for cell in self.flaky],
            "also_opened": [cell.as_dict() for cell in self.also_opened],
            "clauses": list(self.clauses),
            "mutants": [{"id": m, "text": self.texts.get(m, "")} for m in self._seeded],
            "cells": [c.as_dict() for c in self.cells.values() if c.verdicts or c.expected],
            "observations": [observation.as_dict() for observation in self.observations],
        }
