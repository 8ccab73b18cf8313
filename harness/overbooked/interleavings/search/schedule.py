"""Schedules in the search: executed steps, and prefixes to run next.

An actor is an index. A step releases one actor's pending boundary; the actor then runs until it is held at
its next boundary, has ended, or waits for another. A schedule is the sequence of the actors of its steps.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from overbooked.interleavings.footprints.resources import NOTHING, Footprint


@dataclass(frozen=True, slots=True)
class Step:
    """One executed step of a schedule.

    Args:
        actor: the actor that took the step.
        enabled: the enabled actors including `actor`, ascending: every actor with a pending boundary,
            except those that wait for fairness.
        footprint: what the boundary touches, known before its release.
        holds: what its open transaction had touched before, and so may have locked.
        effects: what it touched in addition, according to its answer: a statement that fails in a
            transaction ends it, and so releases the locks on all that the transaction touched.
        blocked_until: the number of steps released when its answer arrived, this step included, if it
            waited for another actor; None if it arrived before any other step.
        yields: whether it repeated a failed poll, so that its actor waits for progress of another. Derived
            only from that actor's own steps.
        begins: whether it is the beginning of its actor.
        opaque: whether its order to any other step can matter, also to those that touch nothing.
    """

    actor: int
    enabled: tuple[int, ...]
    footprint: Footprint
    holds: Footprint = NOTHING
    effects: Footprint = NOTHING
    blocked_until: int | None = None
    yields: bool = False
    begins: bool = False
    opaque: bool = False


@dataclass(frozen=True, slots=True)
class Prefix:
    """The schedule to run next: these actors step by step, then no further preemptions (`usual`).

    Args:
        actors: the actors to follow; if one is not enabled, the run diverges.
        number: the number of this run in its search, from 1.
        preemptions: number of preemptions in the prefix, and so in the schedule.
        scout: whether the run only informs the search; another shard counts and judges it.
    """

    actors: tuple[int, ...]
    number: int = 1
    preemptions: int = 0
    scout: bool = False


def usual(enabled: Sequence[int], running: int | None) -> int:
    """Return the choice without a preemption: the running actor if it is enabled, else the lowest."""
    return running if running is not None and running in enabled else min(enabled)


def is_preemption(actor: int, enabled: Iterable[int], running: int | None) -> bool:
    """Return whether scheduling `actor` is a preemption, i.e. another running actor could continue."""
    return running is not None and running != actor and running in enabled


def preemptions_in(steps: Iterable[Step]) -> int:
    """Return the number of preemptions in a schedule."""
    running, count = None, 0
    for step in steps:
        count += is_preemption(step.actor, step.enabled, running)
        running = step.actor
    return count
