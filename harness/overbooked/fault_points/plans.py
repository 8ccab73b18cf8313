"""Which faults a sweep injects: every one that makes sense, or a sample of them. Pure."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from overbooked.fault_points.points import (
    KILLS,
    Crossing,
    FaultPlan,
    FaultPoint,
    error_code,
    preferred,
    spread,
    why_not,
)
from overbooked.fault_points.results import Cell, Outcome, Sweep
from overbooked.wire.gate.boundary import FaultKind


@dataclass(frozen=True, slots=True)
class Quotas:
    """How many faults a sweep spends on each class of kinds, spread evenly; None is every one.

    A stall costs a time-out of the service's, a kill its start, a fault upon a fault two runs.
    """

    plain: int | None = None
    stalls: int | None = None
    kills: int | None = None
    upon_faults: int | None = 0

    def of(self, kind: FaultKind) -> int | None:
        """The quota a kind shares with others of its class."""
        if kind in KILLS:
            return self.kills
        return self.stalls if kind is FaultKind.STALL else self.plain


def plans_of(
    sweep: Sweep, crossings: Sequence[Crossing], *, killable: bool
) -> Iterator[tuple[FaultPlan, str]]:
    """Every plan of a sweep, kind by kind, with why it makes no sense; "" where it does."""
    for kind in sweep.kinds:
        for point, crossing in zip(sweep.points, crossings, strict=True):
            yield plan_for(sweep.journey, point, kind, crossing), why_not(crossing, kind, killable=killable)


def planned(
    sweep: Sweep,
    crossings: Sequence[Crossing],
    *,
    quotas: Quotas,
    rng: random.Random,
    killable: bool,
) -> list[FaultPlan]:
    """The faults to be injected; what cannot be, or is not this time, is entered as such."""
    possible: list[FaultPlan] = []
    for plan, why in plans_of(sweep, crossings, killable=killable):
        if why:
            sweep.add(Cell(plan, Outcome.NOT_APPLICABLE, why))
        else:
            possible.append(plan)
    chosen: list[FaultPlan] = []
    for kinds in (KILLS, {FaultKind.STALL}, set(sweep.kinds) - KILLS - {FaultKind.STALL}):
        plans = [plan for plan in possible if plan.kind in kinds]
        if plans:
            chosen += sampled(plans, crossings, quotas.of(plans[0].kind), rng)
    taken = set(chosen)
    for plan in possible:
        if plan not in taken:
            sweep.add(Cell(plan, Outcome.NOT_RUN, "beyond the budget"))
    return chosen


def sampled(
    plans: Sequence[FaultPlan], crossings: Sequence[Crossing], quota: int | None, rng: random.Random
) -> list[FaultPlan]:
    """As many of one class of kinds as may be, those first that strike right after an effect."""
    first = preferred(plans, crossings)
    if quota is None or not first:
        return spread(plans, quota, rng)
    taken = spread(first, quota, rng)
    others = [plan for plan in plans if plan not in first]
    return taken + spread(others, quota - len(taken), rng)


def plan_for(journey: str, point: FaultPoint, kind: FaultKind, crossing: Crossing) -> FaultPlan:
    """The plan of one fault at one point."""
    code = error_code(crossing.boundary) if kind is FaultKind.ERROR else ""
    return FaultPlan(journey, point, kind, code)
