"""Walks a schedule step by step with somebody who takes his time.

Nothing is held while he thinks, so that no time limit of the service's own strikes meanwhile: the schedule
so far is run on a fresh race, shown up to where somebody has to be chosen, and goes on as usual, unjudged.
Whatever he chooses, the next run begins like the one he has seen.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from overbooked.interleavings.scheduler.race import Ran
from overbooked.interleavings.scheduler.strategy import Choice, Chooser, following
from overbooked.traces.trace import Trace

# Shown what is held and what has happened until then; None: go on as usual to the end.
Walk = Callable[[Choice, Trace], Awaitable[int | None]]


class Looking:
    """Follows a schedule, then goes on as usual, and keeps the first decision that was a choice."""

    def __init__(self, schedule: Sequence[int]) -> None:
        self.choice: Choice | None = None
        self._length = len(schedule)
        self._follow = following(schedule)

    def __call__(self, choice: Choice) -> int:
        if choice.number == 0:
            self.choice = None  # what came before was disturbed
        if choice.number >= self._length and len(choice.enabled) > 1 and self.choice is None:
            self.choice = choice
        chosen = self._follow(choice)
        assert isinstance(chosen, int)
        return chosen


async def walked(
    run: Callable[[Chooser, Sequence[int]], Awaitable[Ran]], schedule: Sequence[int], walk: Walk
) -> tuple[int, ...]:
    """The schedule that somebody chooses step by step.

    Args:
        run: runs one schedule of a fresh race, given who chooses and what is followed.
        schedule: how it begins.
        walk: asks him.

    Raises:
        HarnessError: a schedule could not be run, or he left.
    """
    taken = tuple(schedule)
    while True:
        looking = Looking(taken)
        ran = await run(looking, taken)
        if looking.choice is None:
            return taken
        so_far = until(ran.trace, looking.choice.number)
        chosen = await walk(looking.choice, so_far)
        if chosen is None:
            return taken
        taken = (*so_far.schedule, chosen)


def until(trace: Trace, number: int) -> Trace:
    """The beginning of a trace: so many steps, and the answers of those who had ended by then."""
    steps = tuple(
        replace(step, blocked_until=number, reply="", error="", parked=False)
        if step.blocked_until is not None and step.blocked_until > number
        else step
        for step in trace.steps[:number]
    )
    ended = {
        n
        for n, actor in enumerate(trace.actors)
        if actor.last_step is not None
        and actor.last_step < number
        and (trace.steps[actor.last_step].blocked_until or 0) <= number
    }
    actors = tuple(actor if n in ended else replace(actor, answer="") for n, actor in enumerate(trace.actors))
    return replace(trace, actors=actors, steps=steps)
