"""Replay: follows a recorded schedule, then continues without preemptions."""

from __future__ import annotations

from collections.abc import Sequence

from overbooked.interleavings.scheduler.strategy import ScheduleDiverged, SchedulingPoint


class Replay:
    """Follows a schedule to its end, then continues without preemptions.


    Args:
        schedule: the actor of each step.
    """

    def __init__(self, schedule: Sequence[int] = ()) -> None:
        self._schedule = tuple(schedule)

    def next(self, point: SchedulingPoint) -> int:
        """Return the actor of this step.


        Raises:
            ScheduleDiverged: the actor in the schedule is not enabled.
        """
        if point.number >= len(self._schedule):
            return point.usual
        wanted = self._schedule[point.number]
        if wanted not in point.enabled:
            raise ScheduleDiverged(
                f"step {point.number} of the schedule is actor {wanted}'s, and only "
                f"{', '.join(map(str, point.enabled))} can run: the service has changed since the schedule "
                "was recorded, or starts in another state"
            )
        return wanted
