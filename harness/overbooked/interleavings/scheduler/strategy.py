"""Who goes next: a decision, and the ways to make it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from overbooked.errors import HarnessError
from overbooked.interleavings.search.schedule import usual
from overbooked.wire.gate.boundary import Boundary


class ScheduleGone(HarnessError):
    """A schedule can no longer be followed: the service does something else than when it was made."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A decision to be made.

    Args:
        number: of the step, from 0.
        enabled: the actors that can go, ascending.
        running: who went last, None before the first step.
        held: what each of them would do.
    """

    number: int
    enabled: tuple[int, ...]
    running: int | None
    held: Mapping[int, Boundary]

    @property
    def usual(self) -> int:
        """Whoever goes on without a preemption: the running actor, else the lowest that can."""
        return usual(self.enabled, self.running)


# Called in the relay's thread; one that waits for a person returns an awaitable.
Chooser = Callable[[Choice], "int | Awaitable[int]"]


def following(schedule: Sequence[int]) -> Chooser:
    """Follow a schedule to its end, and then go on without preemptions.

    The chooser raises:
        ScheduleGone: the actor whose turn it is cannot go.
    """

    def choose(choice: Choice) -> int:
        if choice.number >= len(schedule):
            return choice.usual
        wanted = schedule[choice.number]
        if wanted not in choice.enabled:
            raise ScheduleGone(
                f"step {choice.number} of the schedule is actor {wanted}'s, and only "
                f"{', '.join(map(str, choice.enabled))} can go: the service has changed since it was made, "
                "or starts in another state"
            )
        return wanted

    return choose
