"""Makes what an exploration found as small as can be: other schedules of fresh races, within a budget."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from overbooked.errors import GapFound, HarnessError
from overbooked.interleavings.results import Minimised, Violation
from overbooked.interleavings.scheduler.actor_state import Stepping
from overbooked.interleavings.scheduler.controller import Scheduled
from overbooked.interleavings.scheduler.race import Ran
from overbooked.interleavings.scheduler.strategy import Chooser
from overbooked.interleavings.search.schedule import Step
from overbooked.interleavings.search.shrinking import Minimiser

# Runs one schedule of a fresh race; None: nothing can be concluded from it.
RunOnce = Callable[[Chooser], Awaitable[tuple[Ran, Scheduled] | None]]


@dataclass(frozen=True, slots=True)
class Spare:
    """What making a violation smaller may cost; whichever is used up first ends it.

    Args:
        schedules: that are run for it, at most.
        seconds: after which no further one is begun.
    """

    schedules: int = 20
    seconds: float = 5.0


async def simplified(
    violation: Violation,
    run: RunOnce,
    check: Callable[[Ran], Awaitable[GapFound | None]],
    steps: Callable[[Sequence[Stepping]], Sequence[Step]],
    *,
    actors: int,
    at_least: int,
    spare: Spare,
    clock: Callable[[], float] = time.monotonic,
) -> Violation:
    """The same violation under the simplest schedule found: fewest preemptions, then shortest.

    One that has at most one preemption, and is known to need it, is left as it is. Whatever goes wrong
    on the way, the violation stays at least as it was.

    Args:
        run: runs one schedule.
        check: what a schedule's outcome shows; only the same finding by the same check counts.
        steps: what the search is told of the steps taken.
        actors: how many there are.
        at_least: no schedule with fewer preemptions shows it, as the search has found.
        spare: what it may cost.
        clock: seconds, for the budget.
    """
    minimiser = Minimiser(
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
            break  # what was found stays found
        if played is None:
            minimiser.learn(None, fails=False)
            continue
        before = minimiser.best
        minimiser.learn(steps(played[1].steps), fails=found is not None and same_kind(found, violation.found))
        if found is not None and minimiser.best is not before:
            best = replace(violation, found=found, ran=played[0], scheduled=played[1])
    return replace(
        best, minimised=Minimised(first, minimiser.preemptions, minimiser.runs, minimiser.is_fewest)
    )


def same_kind(found: GapFound, other: GapFound) -> bool:
    """Whether two findings are of one check and say the same of it."""
    return (found.what, found.details.get("check")) == (other.what, other.details.get("check"))
