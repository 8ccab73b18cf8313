"""A whole sweep of one journey, and the rulings on the clauses of its aspects."""

from __future__ import annotations

import random
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

from overbooked.catalog.model import Means
from overbooked.fault_points.address import FaultAddress, rerun_command
from overbooked.fault_points.double_faults import DoubleFaults
from overbooked.fault_points.evidence import record
from overbooked.fault_points.journey import Journey
from overbooked.fault_points.plans import Quotas
from overbooked.fault_points.points import EVERY_KIND, FaultPlan
from overbooked.fault_points.results import SweepOutcome, SweepResult
from overbooked.fault_points.sweeper import Enough, Progress, Sweeper
from overbooked.profiles.budget import Budget
from overbooked.stacks.base.protocol import Stack
from overbooked.traces.layout import LANES
from overbooked.verdicts.evidence import Receipt
from overbooked.verdicts.exercise import Exercise
from overbooked.verdicts.judge import Judge
from overbooked.wire.gate.boundary import FaultKind

_SHOWN = 12


async def sweep(
    stack: Stack,
    journey: Journey,
    *,
    rng: random.Random,
    kinds: Sequence[FaultKind] = EVERY_KIND,
    quotas: Quotas | None = None,
    progress: Progress | None = None,
    enough: Enough | None = None,
    begun: Callable[[SweepResult], None] | None = None,
) -> SweepResult:
    """Inject each kind of fault at each boundary of a journey, then second-order faults.

    Args:
        quotas: how many of each class; default all, and no second-order faults.
        enough: called after each batch; True ends the sweep.
        begun: called with the result before the first fault. The result is filled during the sweep, so that
            the findings are available if the sweep is cancelled.

    Raises:
        HarnessError: the gate, the stack or the journey itself failed; nothing can be concluded.
    """
    sweeper = Sweeper(stack, rng=rng, kinds=kinds, quotas=quotas, progress=progress, begun=begun)
    async with sweeper.engaged(journey):
        found = await sweeper.first_order(journey, enough=enough)
        if sweeper.quotas.upon_faults != 0 and not (enough is not None and enough(found)):
            await DoubleFaults(sweeper, journey, found).go(sweeper.quotas.upon_faults)
    return found


async def inject_one(
    stack: Stack,
    journey: Journey,
    pick: Callable[[Sequence[FaultPlan]], FaultPlan],
    *,
    rng: random.Random,
    progress: Progress | None = None,
    patience: bool | None = None,
    then: FaultAddress | None = None,
) -> SweepResult:
    """Run one fault plan and judge the resulting state, to reproduce a finding of a sweep.

    Args:
        pick: picks the plan among all first-order plans that are possible in this journey.
        patience: whether the client waits for recovery before it retries; None: alternating, as in a sweep.
        then: a second fault, during the recovery from the first.

    Raises:
        HarnessError: as for `sweep`, or there is no such second fault.
    """
    sweeper = Sweeper(stack, rng=rng, progress=progress, patience=patience)
    async with sweeper.engaged(journey):
        chosen: list[FaultPlan] = []

        def picked(possible: Sequence[FaultPlan]) -> FaultPlan:
            chosen.append(pick(possible))
            return chosen[0]

        found = await sweeper.one(journey, picked, alone=then is None)
        doubles = DoubleFaults(sweeper, journey, found)
        plan = chosen[0] if then is None else await doubles.resolve(chosen[0], then)
        if plan.second is not None:
            await doubles.one(plan)
    return found


def quotas_from(budget: Budget, *, upon_faults: bool = True, stalls: int | None = None) -> Quotas:
    """Return the quotas of a profile's budget.

    Args:
        upon_faults: whether there are second-order faults.
        stalls: another number of stalls and silences than the budget's.
    """
    return Quotas(
        budget.faults,
        budget.stalls if stalls is None else stalls,
        budget.kills,
        budget.upon_faults if upon_faults else 0,
    )


async def judge_sweep(
    stack: Stack,
    journey: Journey,
    judge: Judge,
    clauses: Mapping[str, str],
    *,
    rng: random.Random,
    kinds: Sequence[FaultKind] = EVERY_KIND,
    quotas: Quotas | None = None,
) -> SweepResult:
    """Sweep a journey and rule on the clauses of its aspects.

    The sweep ends early once every clause is open.

    Args:
        clauses: the clause of each aspect, e.g. `{"money": "SYS-01.a"}`.

    Raises:
        HarnessError: as for `sweep`.

    """
    started = time.monotonic()
    found = await sweep(
        stack,
        journey,
        rng=rng,
        kinds=kinds,
        quotas=quotas,
        enough=lambda so_far: set(clauses) <= set(so_far.found),
    )
    _tell(found, judge, time.monotonic() - started)
    judge.exercised(_exercise(found), clauses.values())
    rule_on(found, judge, clauses)
    return found


def rule_on(found: SweepResult, judge: Judge, clauses: Mapping[str, str]) -> None:
    """Rule on the clause of each aspect by the findings of a sweep."""
    for aspect, clause in clauses.items():
        with judge(clause):
            if aspect in found.found:
                plan, gap = found.found[aspect]
                gap.details.update(_details(found, plan))
                if (recorded := record(found, aspect)) is not None:
                    gap.recording = recorded.recording
                    if recorded.lanes:
                        gap.details[LANES] = list(recorded.lanes)
                raise gap


def _tell(found: SweepResult, judge: Judge, took_s: float) -> None:
    counts = found.counts
    judge.tally("fault points", counts["points"])
    for name in ("injected", "bitten"):
        judge.tally(name, counts[name] + found.second_counts[name])
    if found.second_order:
        judge.tally("faults upon faults", len(found.second_order))
    judge.note(
        f"sweep of {found.journey}",
        {
            **counts,
            "exhausted": found.exhausted,
            "by kind": {
                kind: f"{sums['bitten']} of {sums['possible']}" for kind, sums in found.by_kind().items()
            },
            "faults upon faults": f"{found.second_counts['bitten']} of {found.second_possible} recorded",
            "shifted": sum(cell.shifted != 0 for cell in found.cells),
            "missed": [f"{cell.plan}: {cell.why}" for cell in found.missed[:_SHOWN]],
            "seconds": round(took_s, 1),
        },
    )
    for receipt in receipts(found, took_s):
        judge.receive(receipt)


def _exercise(found: SweepResult) -> Exercise:
    """Return the exercise: faults that took effect, of those possible in the journey."""
    return Exercise(
        Means.FAULT_POINTS, found.counts["bitten"], found.counts["possible"], subject=found.journey
    )


def receipts(found: SweepResult, took_s: float) -> list[Receipt]:
    """Return a receipt for each kind on each link, with how many took effect and how many did not."""
    groups: defaultdict[tuple[str, str], list[bool]] = defaultdict(list)
    for cell in (*found.cells, *found.second_order):
        if cell.outcome in (SweepOutcome.SAFE, SweepOutcome.VIOLATED, SweepOutcome.DID_NOT_BITE):
            kind = cell.plan.second_kind or cell.plan.kind
            link = (cell.plan.second or cell.plan.point).link
            groups[kind.value, link].append(cell.outcome is not SweepOutcome.DID_NOT_BITE)
    return [
        Receipt(
            fault=f"{kind} at {len(bites)} fault points of {found.journey}",
            subject=link,
            started_s=0.0,
            ended_s=round(took_s, 3),
            messages=len(bites),
            effect={"bitten": sum(bites), "missed": len(bites) - sum(bites)},
            bit=all(bites),
        )
        for (kind, link), bites in sorted(groups.items())
    ]


def _details(found: SweepResult, plan: FaultPlan | None) -> Mapping[str, object]:
    others = [str(cell.plan) for cell in found.violated if cell.plan != plan]
    return {
        "fault plan": str(plan) if plan is not None else "no fault",
        "again": rerun_command(plan, found.journey, patient=plan in found.patient),
        "step": plan.point.step if plan is not None else "",
        "statement": plan.point.shape if plan is not None else "",
        "violated": len(found.violated),
        "others": others[:_SHOWN],
    }
