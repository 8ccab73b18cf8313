"""What came of a sweep: a matrix of points by kinds. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from overbooked.errors import GapFound
from overbooked.fault_points.points import Crossing, FaultPlan, FaultPoint
from overbooked.wire.gate.boundary import FaultKind


class Outcome(StrEnum):
    """What a fault at a point came to."""

    SAFE = "safe"
    VIOLATED = "violated"
    DID_NOT_BITE = "did not bite"
    NOT_APPLICABLE = "n/a"
    NOT_RUN = "not run"


@dataclass(frozen=True, slots=True)
class Cell:
    """One fault at one point.

    Args:
        plan: what was to be done.
        outcome: what it came to; `why` says more where it is neither safe nor violated.
        aspects: what was violated.
        shifted: by how many boundaries the point had moved in this run.
    """

    plan: FaultPlan
    outcome: Outcome
    why: str = ""
    aspects: tuple[str, ...] = ()
    shifted: int = 0

    def as_dict(self) -> dict[str, Any]:
        """JSON-compatible."""
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
        for name in ("why", "aspects", "shifted"):
            if value := getattr(self, name):
                found[name] = list(value) if isinstance(value, tuple) else value
        return found


@dataclass(slots=True)
class Sweep:
    """A sweep of one journey, as far as it has come.

    Args:
        points: of the journey, in its order.
        kinds: that were asked for, in their order.
        broken_off: it was interrupted; what is entered stands, the rest was not run.
    """

    journey: str
    points: Sequence[FaultPoint]
    kinds: Sequence[FaultKind]
    broken_off: bool = False
    cells: list[Cell] = field(default_factory=list)
    second_order: list[Cell] = field(default_factory=list)
    found: dict[str, tuple[FaultPlan | None, GapFound]] = field(default_factory=dict)
    # Plans after which something was left for recovery to do.
    undecided: list[FaultPlan] = field(default_factory=list)
    second_possible: int = 0
    # Of plans that found something: how their journey was taken up again, and what it crossed.
    patient: set[FaultPlan] = field(default_factory=set)
    crossed: dict[FaultPlan, Sequence[Crossing]] = field(default_factory=dict)

    def add(self, cell: Cell) -> None:
        """Enter what one plan came to."""
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
        """Keep the first finding of each aspect, with the plan that shows it; one that took a fault goes
        before one that took none, as that can be looked at again.

        Args:
            patient: its trial was not taken up again by its client before it was left to recovery.
            crossed: the boundaries of its run.
        """
        if aspect in self.found and (self.found[aspect][0] is not None or plan is None):
            return
        self.found[aspect] = (plan, found)
        if plan is not None:
            self.crossed.setdefault(plan, tuple(crossed))
            if patient:
                self.patient.add(plan)

    def at(self, point: FaultPoint, kind: FaultKind) -> Cell | None:
        """The cell of a point and a kind."""
        wanted = (point.ordinal, kind)
        return next((c for c in self.cells if (c.plan.point.ordinal, c.plan.kind) == wanted), None)

    # -- sums ----------------------------------------------------------------------------------

    @property
    def counts(self) -> Mapping[str, int]:
        """How many points were found, and faults possible, injected, bitten and violated."""
        return {"points": len(self.points), **tally(self.cells)}

    @property
    def second_counts(self) -> Mapping[str, int]:
        """The same of faults upon faults."""
        return tally(self.second_order)

    def by_kind(self) -> Mapping[str, Mapping[str, int]]:
        """The sums of each kind."""
        return {kind.value: tally(c for c in self.cells if c.plan.kind is kind) for kind in self.kinds}

    @property
    def exhausted(self) -> bool:
        """Whether every kind was tried at every point where it makes sense."""
        return bool(self.cells) and not any(cell.outcome is Outcome.NOT_RUN for cell in self.cells)

    @property
    def toothless(self) -> Sequence[Cell]:
        """What was injected and did not bite."""
        return [c for c in (*self.cells, *self.second_order) if c.outcome is Outcome.DID_NOT_BITE]

    @property
    def violated(self) -> Sequence[Cell]:
        return [c for c in (*self.cells, *self.second_order) if c.outcome is Outcome.VIOLATED]

    def as_dict(self) -> dict[str, Any]:
        """JSON-compatible, everything."""
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
                    "plan": str(plan) if plan else "no fault at all",
                    "what": gap.what,
                    "expected": gap.expected,
                    "observed": gap.observed,
                    "operations": list(gap.operations),
                }
                for aspect, (plan, gap) in self.found.items()
            },
        }


def tally(cells: Iterable[Cell]) -> dict[str, int]:
    """Sums over cells: possible, injected, bitten, violated, did not bite, n/a, not run."""
    outcomes = Counter(cell.outcome for cell in cells)
    bitten = outcomes[Outcome.SAFE] + outcomes[Outcome.VIOLATED]
    injected = bitten + outcomes[Outcome.DID_NOT_BITE]
    return {
        "possible": injected + outcomes[Outcome.NOT_RUN],
        "injected": injected,
        "bitten": bitten,
        "violated": outcomes[Outcome.VIOLATED],
        "did not bite": outcomes[Outcome.DID_NOT_BITE],
        "n/a": outcomes[Outcome.NOT_APPLICABLE],
        "not run": outcomes[Outcome.NOT_RUN],
    }
