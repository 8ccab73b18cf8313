"""Interactive strategy: the user chooses the next actor at each step with several enabled actors.

Nothing is held while the user decides, so that no timeout of the service expires: the schedule so far is run
on a fresh race, continues without preemptions, is not judged, and is shown up to the next choice. The next
run begins like the one that was shown.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from overbooked.interleavings.scheduler.race import RaceResult
from overbooked.interleavings.scheduler.strategy import SchedulingPoint, Strategy
from overbooked.interleavings.strategies.replay import Replay
from overbooked.traces.trace import Trace

# Receives the held boundaries and the trace so far; returns an actor, or None: no further preemptions.
Walk = Callable[[SchedulingPoint, Trace], Awaitable[int | None]]


class FirstChoice:
    """Follows a schedule, continues without preemptions, and records the first choice after the schedule."""

    def __init__(self, schedule: Sequence[int]) -> None:
        self.choice: SchedulingPoint | None = None
        self._length = len(schedule)
        self._follow = Replay(schedule)

    def next(self, choice: SchedulingPoint) -> int:
        if choice.number == 0:
            self.choice = None  # the previous run was disturbed
        if choice.number >= self._length and len(choice.enabled) > 1 and self.choice is None:
            self.choice = choice
        return self._follow.next(choice)


async def step_through(
    run: Callable[[Strategy, Sequence[int]], Awaitable[RaceResult]], schedule: Sequence[int], walk: Walk
) -> tuple[int, ...]:
    """Return the schedule that the user chooses step by step.

    Args:
        run: runs one schedule of a fresh race, given a strategy and the schedule that it follows.
        schedule: the beginning of the schedule.
        walk: asks the user for the next actor.

    Raises:
        HarnessError: a schedule could not be run, or the user quit.
    """
    taken = tuple(schedule)
    while True:
        looking = FirstChoice(taken)
        ran = await run(looking, taken)
        if looking.choice is None:
            return taken
        so_far = until(ran.trace, looking.choice.number)
        chosen = await walk(looking.choice, so_far)
        if chosen is None:
            return taken
        taken = (*so_far.schedule, chosen)


def until(trace: Trace, number: int) -> Trace:
    """Return the first `number` steps of a trace, with the answers of the actors that had ended by then."""
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
