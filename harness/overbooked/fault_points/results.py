"""The result of a sweep: a matrix of points by kinds. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from overbooked.errors import GapFound
from overbooked.fault_points.address import rerun_command
from overbooked.fault_points.points import Crossing, FaultPlan, FaultPoint
from overbooked.wire.gate.boundary import FaultKind


class SweepOutcome(StrEnum):
    """The outcome of a fault at a point."""

    SAFE = "safe"
    VIOLATED = "violated"
    DID_NOT_BITE = "did not bite"
    NOT_APPLICABLE = "n/a"
    NOT_RUN = "not run"


@dataclass(frozen=True, slots=True)
class SweepCell:
    """One fault at one point.

    Args:
        plan: the fault.
        outcome: the outcome of the fault.
        why: the reason if the outcome is neither safe nor violated.
        aspects: the violated aspects.
        shifted: by how many boundaries the point was displaced in this run.
        patient: whether the client retried only after recovery.
    """

    plan: FaultPlan
    outcome: SweepOutcome
    why: str = ""
    aspects: tuple[str, ...] = ()
    shifted: int = 0
    patient: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Return the cell, JSON-compatible."""
        second = self.plan.second
        found: dict[str, Any] = {
            "point": self.plan.point.ordinal,
            "fingerprint": self.plan.point.fingerprint,
            "kind": self.plan.kind.value,
            "outcome": self.outcome.value,
        }
        if second is not None and self.plan.second_kind is not None:
            found["then"] = {
                "point": second.ordinal,
                "link": second.link,
                "shape": second.shape,
                "nth": second.nth,
                "kind": self.plan.second_kind.value,
            }
        if self.outcome is SweepOutcome.VIOLATED:
            found["again"] = rerun_command(self.plan, self.plan.journey, patient=self.patient)
        for name in ("why", "aspects", "shifted"):
            if value := getattr(self, name):
                found[name] = list(value) if isinstance(value, tuple) else value
        return found


@dataclass(slots=True)
class SweepResult:
    """The results of a sweep of one journey so far.

    Args:
        points: the points of the journey, in order.
        kinds: the requested kinds, in order.
        broken_off: whether the sweep was interrupted; existing cells are final, the rest was not run.
    """

    journey: str
    points: Sequence[FaultPoint]
    kinds: Sequence[FaultKind]
    broken_off: bool = False
    cells: list[SweepCell] = field(default_factory=list)
    second_order: list[SweepCell] = field(default_factory=list)
    found: dict[str, tuple[FaultPlan | None, GapFound]] = field(default_factory=dict)
    # Plans that left work for recovery.
    undecided: list[FaultPlan] = field(default_factory=list)
    second_possible: int = 0
    # For plans with a finding: whether the client waited for recovery, and the boundaries of the run.
    patient: set[FaultPlan] = field(default_factory=set)
    crossed: dict[FaultPlan, Sequence[Crossing]] = field(default_factory=dict)

    def add(self, cell: SweepCell) -> None:
        """Add the outcome of one plan."""
        (self.cells if cell.plan.second is None else self.second_order).append(cell)

    def note(
        self,
        plan: FaultPlan | None,
        aspect: str,
        found: GapFound,
        *,
        patient: bool = False,
        crossed: Sequence[Crossing] = (),
    ) -> None:
        """Keep the first finding of each aspect with its plan. A finding with a fault replaces one without,
        because it can be replayed.

        Args:
            patient: whether the client retried only after recovery.
            crossed: the boundaries of the run.
        """
        if aspect in self.found and (self.found[aspect][0] is not None or plan is None):
            return
        self.found[aspect] = (plan, found)
        if plan is not None:
            self.crossed.setdefault(plan, tuple(crossed))
            if patient:
                self.patient.add(plan)

    def at(self, point: FaultPoint, kind: FaultKind) -> SweepCell | None:
        """Return the cell of a point and a kind."""
        wanted = (point.ordinal, kind)
        return next((c for c in self.cells if (c.plan.point.ordinal, c.plan.kind) == wanted), None)

    # -- sums ----------------------------------------------------------------------------------

    @property
    def counts(self) -> Mapping[str, int]:
        """The number of points, and the counts of `tally` for first-order faults."""
        return {"points": len(self.points), **tally(self.cells)}

    @property
    def second_counts(self) -> Mapping[str, int]:
        """The counts of `tally` for second-order faults."""
        return tally(self.second_order)

    def by_kind(self) -> Mapping[str, Mapping[str, int]]:
        """Return the counts of each kind."""
        return {kind.value: tally(c for c in self.cells if c.plan.kind is kind) for kind in self.kinds}

    @property
    def exhausted(self) -> bool:
        """Whether every kind was injected at every point where it is possible."""
        return bool(self.cells) and not any(cell.outcome is SweepOutcome.NOT_RUN for cell in self.cells)

    @property
    def missed(self) -> Sequence[SweepCell]:
        """The faults that were injected and took no effect."""
        return [c for c in (*self.cells, *self.second_order) if c.outcome is SweepOutcome.DID_NOT_BITE]

    @property
    def violated(self) -> Sequence[SweepCell]:
        return [c for c in (*self.cells, *self.second_order) if c.outcome is SweepOutcome.VIOLATED]

    def as_dict(self) -> dict[str, Any]:
        """Return everything, JSON-compatible."""
        return {
            "journey": self.journey,
            "kinds": [kind.value for kind in self.kinds],
            "counts": dict(self.counts),
            "exhausted": self.exhausted,
            "broken_off": self.broken_off,
            "by_kind": {kind: dict(sums) for kind, sums in self.by_kind().items()},
            "points": [
                {
                    "ordinal": point.ordinal,
                    "step": point.step,
                    "link": point.link,
                    "verb": point.verb,
                    "shape": point.shape,
                    "nth": point.nth,
                    "fingerprint": point.fingerprint,
                }
                for point in self.points
            ],
            "cells": [cell.as_dict() for cell in self.cells],
            "second_order": {
                "counts": dict(self.second_counts),
                "possible": self.second_possible,
                "cells": [cell.as_dict() for cell in self.second_order],
            },
            "findings": {
                aspect: {
                    "plan": str(plan) if plan else "no fault",
                    "what": gap.what,
                    "expected": gap.expected,
                    "observed": gap.observed,
                    "operations": list(gap.operations),
                }
                for aspect, (plan, gap) in self.found.items()
            },
        }


def tally(cells: Iterable[SweepCell]) -> dict[str, int]:
    """Return the numbers of cells: possible, injected, bitten, violated, did not bite, n/a, not run."""
    outcomes = Counter(cell.outcome for cell in cells)
    bitten = outcomes[SweepOutcome.SAFE] + outcomes[SweepOutcome.VIOLATED]
    injected = bitten + outcomes[SweepOutcome.DID_NOT_BITE]
    return {
        "possible": injected + outcomes[SweepOutcome.NOT_RUN],
        "injected": injected,
        "bitten": bitten,
        "violated": outcomes[SweepOutcome.VIOLATED],
        "did not bite": outcomes[SweepOutcome.DID_NOT_BITE],
        "n/a": outcomes[SweepOutcome.NOT_APPLICABLE],
        "not run": outcomes[SweepOutcome.NOT_RUN],
    }
