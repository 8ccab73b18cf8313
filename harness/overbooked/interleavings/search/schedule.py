"""A schedule as the search sees it: steps that were taken, and prefixes to take next.

An actor is an index. A step lets one actor's pending boundary go; the actor then moves on by itself
until he is held at his next boundary, ended, or waiting for another. A schedule is the actors of its
steps, in order.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from overbooked.interleavings.footprints.resources import NOTHING, Footprint


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a schedule that was run.

    Args:
        actor: who went.
        enabled: who could have gone, `actor` among them, ascending: every actor with a pending
            boundary, but for those that `Fairness` makes wait.
        footprint: what the boundary touches, known before it is let go.
        holds: what its open transaction had touched before it, and so may have locked.
        effects: what it touched beyond that, as its answer told: a statement that fails in a
            transaction ends it, and so frees the locks of all that the transaction touched.
        blocked_until: how many steps had been let go when its answer came, where it waited for
            another actor; None when it came before any other step. This step counts.
        yields: it repeated a failed poll, so its actor waits for progress of another. Told from that
            actor's own steps alone, whoever went between them.
    """

    actor: int
    enabled: tuple[int, ...]
    footprint: Footprint
    holds: Footprint = NOTHING
    effects: Footprint = NOTHING
    blocked_until: int | None = None
    yields: bool = False


@dataclass(frozen=True, slots=True)
class Prefix:
    """What to run next: these actors, step by step, and then without preemptions (`usual`).

    Args:
        actors: to follow; one who cannot go makes the run diverge.
        number: of this run in its search, from 1.
        preemptions: that the prefix holds; what follows it adds none.
        scout: this run only shows the search its way; another shard counts and judges it.
    """

    actors: tuple[int, ...]
    number: int = 1
    preemptions: int = 0
    scout: bool = False


def usual(enabled: Sequence[int], running: int | None) -> int:
    """Who goes without a preemption: the running actor, else the lowest that can."""
    return running if running is not None and running in enabled else min(enabled)


def is_preemption(actor: int, enabled: Iterable[int], running: int | None) -> bool:
    """Whether scheduling `actor` is a preemption: the running actor could continue."""
    return running is not None and running != actor and running in enabled


def preemptions_in(steps: Iterable[Step]) -> int:
    """How many preemptions a schedule holds."""
    running, count = None, 0
    for step in steps:
        count += is_preemption(step.actor, step.enabled, running)
        running = step.actor
    return count
