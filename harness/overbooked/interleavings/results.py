"""What an exploration did, and what it found."""

from __future__ import annotations

from dataclasses import dataclass, field

from overbooked.catalog.model import Means
from overbooked.errors import GapFound
from overbooked.interleavings.scheduler.controller import Scheduled
from overbooked.interleavings.scheduler.race import Ran
from overbooked.verdicts.exercise import Exercise


@dataclass(frozen=True, slots=True)
class Minimised:
    """How far a violation was made smaller.

    Args:
        found_with, left_with: preemptions of the schedule that showed it first, and of the one kept.
        schedules: how many were run for it.
        fewest: no schedule with fewer preemptions shows it; every one of them was run, or one that
            differs in nothing.
    """

    found_with: int
    left_with: int
    schedules: int
    fewest: bool

    def as_dict(self) -> dict[str, object]:
        """For the evidence, JSON-compatible."""
        return {
            "preemptions": [self.found_with, self.left_with],
            "schedules": self.schedules,
            "fewest": self.fewest,
        }


@dataclass(frozen=True, slots=True)
class Violation:
    """A schedule under which a check found something.

    Args:
        number: which schedule of the exploration it was, from 1; 0: it was asked for.
        minimised: how far it was made smaller; None: that was not tried.
    """

    found: GapFound
    ran: Ran
    scheduled: Scheduled
    number: int
    minimised: Minimised | None = None

    @property
    def preemptions(self) -> int:
        return self.ran.trace.preemptions


@dataclass(slots=True)
class Explored:
    """What an exploration did, and what it found.

    Args:
        actors: how many took part.
        bound: preemptions at most; None: any number.
        reduced: whether schedules that differ in nothing were left out.
        schedules, boundaries: how many were run and judged, and their steps together.
        exhausted: whether every schedule within the bound was run, or left out as differing in nothing;
            of a shard every one of its part.
        again: schedules run again because one was disturbed or began in another state.
        succeeded: schedules in which a request succeeded, or work was done that has no answer.
        seconds: how long the schedules took, without making races and checking them.
        left: why it is not exhausted.
        waiting: branches that were found and not looked at.
        out_of_time: whether it ended for want of time.
        wrote: whether any step wrote something, or may have.
        unsplit: autocommit statements whose commit could not be ordered apart from them, and why.
        last: the schedule that was run last and counted.
        shard: (i, n), from 1: only the i-th of n disjoint parts was explored.
        scouts: schedules that were run to find the way to that part, and that another shard judges.
    """

    actors: int
    bound: int | None
    reduced: bool
    schedules: int = 0
    boundaries: int = 0
    exhausted: bool = False
    violation: Violation | None = None
    again: int = 0
    blocked: int = 0
    parked: int = 0
    yielded: int = 0
    longest: int = 0
    preempted: int = 0
    succeeded: int = 0
    seconds: float = 0.0
    left: tuple[str, ...] = ()
    waiting: int = 0
    out_of_time: bool = False
    wrote: bool = False
    outcomes: set[tuple[str, ...]] = field(default_factory=set)
    unsplit: set[str] = field(default_factory=set)
    last: Ran | None = None
    shard: tuple[int, int] = (1, 1)
    scouts: int = 0

    def count(self, ran: Ran) -> None:
        """Take in a schedule that was run to its end undisturbed."""
        trace = ran.trace
        self.last = ran
        self.schedules += 1
        self.boundaries += len(trace.steps)
        self.longest = max(self.longest, len(trace.steps))
        self.preempted = max(self.preempted, trace.preemptions)
        self.blocked += any(step.blocked_by for step in trace.steps)
        self.parked += any(step.parked for step in trace.steps)
        self.yielded += "yielded" in trace.notes
        unsplit = trace.notes.get("unsplit", ())
        self.unsplit.update(unsplit if isinstance(unsplit, list) else ())
        self.succeeded += any(answer is None or answer.ok for answer in ran.answers)
        self.outcomes.add(tuple(actor.answer for actor in trace.actors))

    def as_exercise(self, race: str) -> Exercise:
        """For the counts that a verdict rests on."""
        return Exercise(
            Means.INTERLEAVINGS,
            self.schedules + self.scouts,
            subject=race,
            actors=self.actors,
            preemptions=self.bound,
            exhausted=self.exhausted,
        )

    def as_note(self) -> dict[str, object]:
        """For the evidence, JSON-compatible."""
        note: dict[str, object] = {
            "actors": self.actors,
            "preemptions": "any" if self.bound is None else self.bound,
            "reduction": "by dependence" if self.reduced else "none",
            "schedules": self.schedules,
            "boundaries": self.boundaries,
            "exhausted": self.exhausted,
            "violations": int(self.violation is not None),
            "blocked": self.blocked,
            "outcomes": sorted(" ".join(outcome) for outcome in self.outcomes),
            "seconds": round(self.seconds, 3),
        }
        if not self.exhausted and self.waiting:
            note["waiting"] = self.waiting
        for name in ("again", "parked", "yielded"):
            if getattr(self, name):
                note[name] = getattr(self, name)
        if self.unsplit:
            note["unsplit"] = sorted(self.unsplit)
        if self.shard != (1, 1):
            note["shard"] = "{} of {}".format(*self.shard)
        if self.violation is not None and self.violation.minimised is not None:
            note["minimised"] = self.violation.minimised.as_dict()
        return note
