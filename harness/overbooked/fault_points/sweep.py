"""A whole sweep of one journey, and what it says of the clauses of a gap."""

from __future__ import annotations

import random
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

from overbooked.catalog.model import Means
from overbooked.fault_points.double_faults import SecondOrder
from overbooked.fault_points.journey import Journey
from overbooked.fault_points.plans import Quotas
from overbooked.fault_points.points import EVERY_KIND, FaultPlan
from overbooked.fault_points.results import Outcome, Sweep
from overbooked.fault_points.sweeper import Enough, Progress, Sweeper
from overbooked.interleavings.evidence import recorded_faults
from overbooked.profiles.budget import Budget
from overbooked.stacks.base.protocol import Stack
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
    begun: Callable[[Sweep], None] | None = None,
) -> Sweep:
    """Strike a journey at each of its boundaries in each way, then again while it recovers.

    Args:
        quotas: how many of each; default every one, and no faults upon faults.
        enough: asked now and then; True ends the sweep early.
        begun: given the sweep before anything of it was done; it is filled as it comes, so that what was
            found is at hand when this is cancelled.

    Raises:
        HarnessError: the gate, the stack or the journey itself failed; nothing can be concluded.
    """
    sweeper = Sweeper(stack, rng=rng, kinds=kinds, quotas=quotas, progress=progress, begun=begun)
    async with sweeper.engaged(journey):
        found = await sweeper.first_order(journey, enough=enough)
        if sweeper.quotas.upon_faults != 0 and not (enough is not None and enough(found)):
            await SecondOrder(sweeper, journey, found).go(sweeper.quotas.upon_faults)
    return found


async def strike(
    stack: Stack,
    journey: Journey,
    pick: Callable[[Sequence[FaultPlan]], FaultPlan],
    *,
    rng: random.Random,
    progress: Progress | None = None,
    patience: bool | None = None,
) -> Sweep:
    """Carry out one plan and judge what it leaves; for looking again at what a sweep has found.

    Args:
        pick: names the plan, given every first fault that makes sense in this journey.
        patience: whether its client leaves what was undecided to recovery; None: as sweeps have it.

    Raises:
        HarnessError: as for a sweep.
    """
    sweeper = Sweeper(stack, rng=rng, progress=progress, patience=patience)
    async with sweeper.engaged(journey):
        chosen: list[FaultPlan] = []

        def picked(possible: Sequence[FaultPlan]) -> FaultPlan:
            chosen.append(pick(possible))
            return chosen[0]

        found = await sweeper.one(journey, picked)
        if chosen[0].second is not None:
            await SecondOrder(sweeper, journey, found).one(chosen[0])
    return found


def quotas_of(budget: Budget, *, upon_faults: bool = True) -> Quotas:
    """What a profile grants a sweep."""
    return Quotas(budget.faults, budget.stalls, budget.kills, budget.upon_faults if upon_faults else 0)


async def ruled_sweep(
    stack: Stack,
    journey: Journey,
    judge: Judge,
    clauses: Mapping[str, str],
    *,
    rng: random.Random,
    kinds: Sequence[FaultKind] = EVERY_KIND,
    quotas: Quotas | None = None,
) -> Sweep:
    """Sweep and rule on the clauses that the journey's aspects stand for.

    It ends early once every clause is open, as nothing more could be learnt.

    Args:
        clauses: the clause of each aspect, e.g. `{"money": "SYS-01.a"}`.

    Raises:
        HarnessError: as for a sweep.
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
    for aspect, clause in clauses.items():
        with judge(clause):
            if aspect in found.found:
                plan, gap = found.found[aspect]
                gap.details.update({**_details(found, plan), **recorded_faults(found, aspect)})
                raise gap
    return found


def _tell(found: Sweep, judge: Judge, took_s: float) -> None:
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
            "missed": [f"{cell.plan}: {cell.why}" for cell in found.toothless[:_SHOWN]],
            "seconds": round(took_s, 1),
        },
    )
    for receipt in receipts(found, took_s):
        judge.receive(receipt)


def _exercise(found: Sweep) -> Exercise:
    """The faults that took effect, of all that there are at the points of the journey."""
    return Exercise(
        Means.FAULT_POINTS, found.counts["bitten"], found.counts["possible"], subject=found.journey
    )


def receipts(found: Sweep, took_s: float) -> list[Receipt]:
    """One receipt for each kind on each link: how often it bit, and what did not."""
    groups: defaultdict[tuple[str, str], list[bool]] = defaultdict(list)
    for cell in (*found.cells, *found.second_order):
        if cell.outcome in (Outcome.SAFE, Outcome.VIOLATED, Outcome.DID_NOT_BITE):
            kind = cell.plan.second_kind or cell.plan.kind
            link = (cell.plan.second or cell.plan.point).link
            groups[kind.value, link].append(cell.outcome is not Outcome.DID_NOT_BITE)
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


def again(found: Sweep, plan: FaultPlan | None) -> str:
    """The command that does it again; on a mutant, say which."""
    if plan is None or plan.second is not None:
        return f"overbooked sweep {found.journey}"
    return f"overbooked sweep {found.journey} --only {plan.point.ordinal}:{plan.kind.value.replace(' ', '-')}"


def _details(found: Sweep, plan: FaultPlan | None) -> Mapping[str, object]:
    others = [str(cell.plan) for cell in found.violated if cell.plan != plan]
    return {
        "fault plan": str(plan) if plan is not None else "no fault at all",
        "again": again(found, plan),
        "step": plan.point.step if plan is not None else "",
        "statement": plan.point.shape if plan is not None else "",
        "violated": len(found.violated),
        "others": others[:_SHOWN],
    }
