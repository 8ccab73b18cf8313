"""What is told of an exploration that found something, and what tells an exploration to run one schedule.

A `Story` is what lanes are drawn from and a bundle is written from; a `Script` is what a bundle, or a
schedule given by hand, asks for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from overbooked.errors import GapFound
from overbooked.interleavings.anomalies import Anomaly
from overbooked.interleavings.step_by_step import Walk
from overbooked.traces.trace import Trace


@dataclass(frozen=True, slots=True)
class Story:
    """One schedule under which a check found something.

    Args:
        clause: what it opens.
        race: the race's name within its scenario.
        found: what the check found.
        trace: what happened, step by step.
        anomaly: what kind it is.
        number: which schedule of the exploration it was, from 1; 0: it was asked for.
        preemptions: the exploration's bound, None: any number.
    """

    clause: str
    race: str
    found: GapFound
    trace: Trace
    anomaly: Anomaly
    number: int
    preemptions: int | None


@dataclass(frozen=True, slots=True)
class Left:
    """What telling a story left behind.

    Args:
        lines: to show beneath the finding, e.g. lanes.
        details: JSON-compatible, for the scorecard, e.g. the bundle's path.
    """

    lines: Sequence[str] = ()
    details: Mapping[str, object] = field(default_factory=dict)


Tell = Callable[[Story], Left]
# Told of each schedule as it is run, before it is judged: the race's name and the trace.
Watch = Callable[[str, Trace], None]


@dataclass(frozen=True, slots=True)
class Script:
    """Run this one schedule instead of exploring.

    Args:
        schedule: the actor of each step; where it ends actors go on without preemptions.
        race: the name of the race it is for; "": the scenario's first.
        shape: what the trace must look like, line by line; empty: anything goes.
        walk: asks somebody who goes next, from where the schedule ends.
    """

    schedule: Sequence[int] = ()
    race: str = ""
    shape: Sequence[str] = ()
    walk: Walk | None = None


def plain(story: Story) -> Left:
    """The steps as they are, one a line."""
    trace = story.trace
    width = max((len(actor.name) for actor in trace.actors), default=0)
    return Left(
        [
            f"{trace.actors[step.actor].name:{width}}  {' '.join(step.shape.split())[:80]}  "
            f"{step.error or step.reply}"
            for step in trace.steps
        ]
    )
