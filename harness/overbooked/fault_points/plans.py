"""Chooses the faults of a sweep: every possible one, or a sample. Pure."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from overbooked.fault_points.points import (
    KILLS,
    SILENCES,
    Crossing,
    FaultPlan,
    FaultPoint,
    error_code,
    preferred,
    spread,
    why_not,
)
from overbooked.fault_points.results import SweepCell, SweepOutcome, SweepResult
from overbooked.wire.gate.boundary import FaultKind

STALLS = frozenset({FaultKind.STALL}) | SILENCES


@dataclass(frozen=True, slots=True)
class Quotas:
    """The number of faults of each class that a sweep injects, spread evenly over the journey; None: all.

    A stall or a silence costs time-outs of the service, a kill costs a start, and a second-order fault costs
    two runs.
    """

    plain: int | None = None
    stalls: int | None = None
    kills: int | None = None
    upon_faults: int | None = 0

    def of(self, kind: FaultKind) -> int | None:
        """Return the quota that a kind shares with the others of its class."""
        if kind in KILLS:
            return self.kills
        return self.stalls if kind in STALLS else self.plain


def plans_of(
    sweep: SweepResult, crossings: Sequence[Crossing], *, killable: bool
) -> Iterator[tuple[FaultPlan, str]]:
    """Yield every plan of a sweep, kind by kind, with the reason if it is impossible, else ""."""
    for kind in sweep.kinds:
        for point, crossing in zip(sweep.points, crossings, strict=True):
            yield plan_for(sweep.journey, point, kind, crossing), why_not(crossing, kind, killable=killable)


def planned(
    sweep: SweepResult,
    crossings: Sequence[Crossing],
    *,
    quotas: Quotas,
    rng: random.Random,
    killable: bool,
) -> list[FaultPlan]:
    """Return the faults to inject; those that are impossible or beyond the quota are added to the sweep."""
    possible: list[FaultPlan] = []
    for plan, why in plans_of(sweep, crossings, killable=killable):
        if why:
            sweep.add(SweepCell(plan, SweepOutcome.NOT_APPLICABLE, why))
        else:
            possible.append(plan)
    chosen: list[FaultPlan] = []
    for kinds in (KILLS, STALLS, set(sweep.kinds) - KILLS - STALLS):
        plans = [plan for plan in possible if plan.kind in kinds]
        if plans:
            chosen += sampled(plans, crossings, quotas.of(plans[0].kind), rng)
    taken = set(chosen)
    for plan in possible:
        if plan not in taken:
            sweep.add(SweepCell(plan, SweepOutcome.NOT_RUN, "beyond the budget"))
    return chosen


def sampled(
    plans: Sequence[FaultPlan], crossings: Sequence[Crossing], quota: int | None, rng: random.Random
) -> list[FaultPlan]:
    """Return a sample of one class of kinds; faults right after an effect come first, and among them those
    after an effect in another service."""
    if quota is None:
        return list(plans)
    taken: list[FaultPlan] = []
    for tier in (preferred(plans, crossings, outside=True), preferred(plans, crossings), plans):
        left = [plan for plan in tier if plan not in taken]
        taken += spread(left, quota - len(taken), rng)
    return taken


def plan_for(journey: str, point: FaultPoint, kind: FaultKind, crossing: Crossing) -> FaultPlan:
    """Return the plan of one fault at one point."""
    code = error_code(crossing.boundary) if kind in (FaultKind.ERROR, FaultKind.REFUSING) else ""
    return FaultPlan(journey, point, kind, code)
