"""Shrinks a violation by running simpler schedules of fresh races, within a budget."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from overbooked.errors import GapFound, HarnessError
from overbooked.interleavings.results import Shrunk, Violation
from overbooked.interleavings.scheduler.actor_state import ExecutedStep
from overbooked.interleavings.scheduler.controller import ScheduleRun
from overbooked.interleavings.scheduler.race import RaceResult
from overbooked.interleavings.scheduler.strategy import Strategy
from overbooked.interleavings.search.schedule import Step
from overbooked.interleavings.search.shrinking import ScheduleShrinker

# Runs one schedule of a fresh race; None: the run is inconclusive.
RunOnce = Callable[[Strategy], Awaitable[tuple[RaceResult, ScheduleRun] | None]]


@dataclass(frozen=True, slots=True)
class ShrinkBudget:
    """The budget for shrinking; the limit that is reached first ends it.

    Args:
        schedules: maximum number of schedules.
        seconds: time after which no further schedule is started.
    """

    schedules: int = 20
    seconds: float = 5.0


async def shrink(
    violation: Violation,
    run: RunOnce,
    check: Callable[[RaceResult], Awaitable[GapFound | None]],
    steps: Callable[[Sequence[ExecutedStep]], Sequence[Step]],
    *,
    actors: int,
    at_least: int,
    spare: ShrinkBudget,
    clock: Callable[[], float] = time.monotonic,
) -> Violation:
    """Return the violation with the simplest schedule found: fewest preemptions, then shortest.

    A violation with at most one preemption that is known to be necessary is not shrunk. An error ends the
    shrinking; the simplest schedule so far is kept.

    Args:
        run: runs one schedule.
        check: judges a result; only the same finding of the same race counts.
        steps: converts executed steps for the search.
        actors: number of actors.
        at_least: the search has shown that no schedule with fewer preemptions shows the violation.
        spare: the budget.
        clock: returns seconds, for the budget.
    """
    minimiser = ScheduleShrinker(
        steps(violation.scheduled.steps), actors=actors, max_runs=spare.schedules, at_least=at_least
    )
    first, best = minimiser.preemptions, violation
    give_up = clock() + spare.seconds
    while not (minimiser.is_fewest and minimiser.preemptions <= 1) and clock() < give_up:
        guide = minimiser.next()
        if guide is None:
            break
        try:
            played = await run(guide)
            found = await check(played[0]) if played is not None else None
        except HarnessError:
            break  # keep the finding unshrunk
        if played is None:
            minimiser.learn(None, fails=False)
            continue
        before = minimiser.best
        minimiser.learn(steps(played[1].steps), fails=found is not None and same_kind(found, violation.found))
        if found is not None and minimiser.best is not before:
            best = replace(violation, found=found, ran=played[0], scheduled=played[1])
    return replace(best, minimised=Shrunk(first, minimiser.preemptions, minimiser.runs, minimiser.is_fewest))


def same_kind(found: GapFound, other: GapFound) -> bool:
    """Return whether two findings are of the same race and invariant."""
    return (found.what, found.details.get("check")) == (other.what, other.details.get("check"))
