"""Replays the fault plan of a bundle: its journey is run once more with exactly these faults."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace

from rich.text import Text

from overbooked.bundles.fingerprints import NoLongerFits
from overbooked.bundles.schema import Bundle, Faults
from overbooked.cli.context import ground_of
from overbooked.cli.display import Display
from overbooked.cli.looping import looped
from overbooked.cli.options import Said
from overbooked.cli.replay_outcome import Replay
from overbooked.cli.replay_schedule import trace_parts
from overbooked.descriptor import Descriptor
from overbooked.errors import GapFound, HarnessError
from overbooked.fault_points.points import FaultPlan
from overbooked.fault_points.results import Sweep
from overbooked.fault_points.sweep import strike
from overbooked.interleavings.evidence import faulty_trace
from overbooked.journeys.identities import People
from overbooked.journeys.registry import JOURNEYS
from overbooked.stacks.base.protocol import Stack
from overbooked.targets.loading import bind
from overbooked.traces.redaction import Redactor
from overbooked.traces.terminal import LanesOnTerminal
from overbooked.verdicts.verdict import Verdict


def replayed_faults(
    bundle: Bundle, said: Said, display: Display, *, times: int, healthy: bool
) -> list[Replay]:
    """Carry out the fault plan so many times on one stack.

    Args:
        healthy: without the mutant that the bundle names.

    Raises:
        NoLongerFits: there is no such journey, or it comes to no such point any more.
        UsageError: the mutant or the stack is not to be had here.
        KeyboardInterrupt: by Ctrl-C; everything that was started is gone.
    """
    faults = bundle.recording.faults
    assert faults is not None
    if faults.journey not in JOURNEYS:
        raise NoLongerFits(
            f"the bundle no longer fits: there is no journey {faults.journey!r} any more; "
            f"there are {', '.join(JOURNEYS)}"
        )
    ground = ground_of(said.settings, None if healthy else bundle.made.mutant)
    display.line(Text(f"{ground.why}   {faults.as_plan()}", style="dim"))
    stack = ground.stack()
    return looped(lambda: _replayed(stack, ground.descriptor, bundle, faults, display, times))


async def _replayed(
    stack: Stack, descriptor: Descriptor, bundle: Bundle, faults: Faults, display: Display, times: int
) -> list[Replay]:
    replays = []
    swept: Sweep | None = None
    try:
        await stack.start()
        for number in range(times):
            display.status(f"replay {number + 1} of {times}")
            seed = bundle.made.scenario_seed + number
            system = await bind(stack, descriptor, seed=seed, people=People(seed))
            try:
                swept = await strike(
                    stack,
                    JOURNEYS[faults.journey](system),
                    picking(faults),
                    rng=random.Random(seed),
                    progress=lambda _done, _total, what: display.status(what),
                    patience=faults.patient,
                )
            except NoLongerFits:
                raise
            except HarnessError as error:
                # What was replayed before counts; what this left of the stack is no ground for more.
                replays.append(Replay(Verdict.INCONCLUSIVE, str(error).splitlines()[0]))
                break
            finally:
                await system.close()
            replays.append(compared(bundle, swept))
    finally:
        await stack.close()
    if swept is not None and swept.crossed:
        plan, crossed = next(iter(swept.crossed.items()))
        display.line(LanesOnTerminal(faulty_trace(plan, crossed)))
    return replays


def picking(faults: Faults) -> Callable[[Sequence[FaultPlan]], FaultPlan]:
    """Picks the plan of a bundle among those that make sense now: what it is counts, not where it stands.

    The picker raises:
        NoLongerFits: there is no such point any more.
    """
    wanted = faults.as_plan()

    def pick(possible: Sequence[FaultPlan]) -> FaultPlan:
        for plan in possible:
            same = (plan.point.fingerprint, plan.point.nth) == (wanted.point.fingerprint, wanted.point.nth)
            if same and plan.kind is wanted.kind:
                return replace(plan, code=wanted.code, second=wanted.second, second_kind=wanted.second_kind)
        raise NoLongerFits(
            f"the bundle no longer fits: {faults.journey} has no {wanted.point.place} for the "
            f"{wanted.point.nth}. time any more that could be struck by {wanted.kind.value}: "
            f"{' '.join(wanted.point.shape.split())[:80]}"
        )

    return pick


def compared(bundle: Bundle, swept: Sweep) -> Replay:
    """What came of one replay."""
    aspect = bundle.recording.aspect
    if aspect in swept.found:
        plan, found = swept.found[aspect]
        parting = ""
        if plan is not None and bundle.recording.steps:
            parting = trace_parts(bundle, faulty_trace(plan, swept.crossed.get(plan, ())))
        return Replay(Verdict.OPEN, found.what, parting, _said_otherwise(bundle, found))
    if not swept.counts["bitten"] and not swept.second_counts["bitten"]:
        why = next(
            (cell.why for cell in (*swept.cells, *swept.second_order) if cell.why), "nothing was struck"
        )
        return Replay(Verdict.INCONCLUSIVE, f"the fault did not bite: {why}")
    return Replay(Verdict.CLOSED)


def _said_otherwise(bundle: Bundle, found: GapFound) -> str:
    what = Redactor().text(found.what)
    return "" if what == bundle.expected.what else f"wanted {bundle.expected.what!r}, found {what!r}"
