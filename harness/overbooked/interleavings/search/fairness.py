"""Fair yield: an actor that polls without success waits until another has made progress.

A try-lock, a Redis lock or a polling job makes the space of schedules infinite. A step that repeats a failed
poll (same actor, boundary and answer as the previous time, more often in a row than when it runs alone, and
about to be repeated again) counts as a yield: switching away from its actor is not a preemption, and the
actor is not enabled again until another actor has taken a step that is not a yield. If no other actor is
enabled, the actors that yielded are.

(Musuvathi, Qadeer: Fair stateless model checking, PLDI 2008, simplified to what is visible at the wire.)
"""

from __future__ import annotations

from collections.abc import Iterable


def yielding_after(yielding: frozenset[int], actor: int, *, yields: bool) -> frozenset[int]:
    """Return the actors that wait for progress after a step of `actor`.

    Args:
        yielding: the actors that waited before the step.
        yields: whether the step repeated a failed poll.
    """
    if yields:
        return yielding | {actor}
    return frozenset()


def enabled_of(pending: Iterable[int], yielding: frozenset[int]) -> tuple[int, ...]:
    """Return the enabled actors among those with a pending boundary, ascending."""
    able = tuple(sorted(pending))
    return tuple(actor for actor in able if actor not in yielding) or able
