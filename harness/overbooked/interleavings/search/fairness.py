"""Fair yield: who polls in vain waits until another has made progress.

A try-lock, a Redis lock or a job that looks again and again makes the space of schedules infinite. A
step that repeats a failed poll (same actor, same boundary, same answer as the time before, more often in
a row than he does it alone, and about to be repeated once more) counts as a yield: leaving it is no
preemption, and its actor is not enabled again before another actor has taken a step that is not itself a
yield. Where nobody else can go, those who yielded may.

(Musuvathi, Qadeer: Fair stateless model checking, PLDI 2008, simplified to what a wire shows.)
"""

from __future__ import annotations

from collections.abc import Iterable


def yielding_after(yielding: frozenset[int], actor: int, *, yields: bool) -> frozenset[int]:
    """Who waits for progress once `actor` has taken a step.

    Args:
        yielding: who waited before it.
        yields: the step repeated a failed poll.
    """
    if yields:
        return yielding | {actor}
    return frozenset()


def enabled_of(pending: Iterable[int], yielding: frozenset[int]) -> tuple[int, ...]:
    """Of those with a pending boundary the ones that may go, ascending."""
    able = tuple(sorted(pending))
    return tuple(actor for actor in able if actor not in yielding) or able
