"""Results of an exploration."""

from __future__ import annotations

from dataclasses import dataclass, field

from overbooked.catalog.model import Means
from overbooked.errors import GapFound
from overbooked.interleavings.scheduler.controller import ScheduleRun
from overbooked.interleavings.scheduler.race import RaceResult
from overbooked.verdicts.exercise import Exercise


@dataclass(frozen=True, slots=True)
class Shrunk:
    """The result of shrinking a violation.

    Args:
        found_with, left_with: preemptions of the first violating schedule, and of the one kept.
        schedules: number of schedules that were run to shrink it.
        fewest: whether it is known that no schedule with fewer preemptions shows the violation.
    """

    found_with: int
    left_with: int
    schedules: int
    fewest: bool

    def as_dict(self) -> dict[str, object]:
        """Return the counts for the evidence, JSON-compatible."""
        return {
            "preemptions": [self.found_with, self.left_with],
            "schedules": self.schedules,
            "fewest": self.fewest,
        }


@dataclass(frozen=True, slots=True)
class Violation:
    """A schedule with a finding.

    Args:
        found: the finding.
        ran, scheduled: the result of the race, and the run of its schedule.
        number: the number of the schedule in the exploration, from 1; 0: the schedule was requested.
        minimised: the result of shrinking; None: it was not tried.
    """

    found: GapFound
    ran: RaceResult
    scheduled: ScheduleRun
    number: int
    minimised: Shrunk | None = None

    @property
    def preemptions(self) -> int:
        return self.ran.trace.preemptions


@dataclass(slots=True)
class ExplorationResult:
    """The progress and the finding of an exploration.

    Args:
        actors: number of actors.
        bound: maximum number of preemptions; None: unlimited.
        reduced: whether equivalent schedules were skipped.
        schedules, boundaries: the number of schedules that were run and judged, and of all their
            boundaries.
        exhausted: whether every schedule within the bound, or an equivalent one, was run; for a shard,
            every schedule of its part.
        violation: the schedule with a finding, if any.
        again: number of runs that were disturbed or diverged.
        blocked, parked, yielded: number of schedules in which an actor waited for a lock, was parked, or
            repeated a failed poll.
        longest: steps of the longest schedule.
        preempted: the most preemptions in a schedule.
        succeeded: number of schedules in which a request succeeded, or work without an answer was done.
        seconds: duration of the schedules, without preparing and checking races.
        left: the reasons why the space is not exhausted.
        waiting: number of known branches that were not explored.
        out_of_time: whether the exploration ended because time was up.
        wrote: whether any step wrote something, or may have.
        met: whether the order of two steps of different actors could matter, beginnings aside.
        outcomes: the combinations of the actors' answers.
        unsplit: autocommit statements whose commit could not be made a separate step, and why.
        last: the last counted schedule.
        shard: (i, n), from 1: only the i-th of n disjoint parts was explored.
        scouts: number of schedules that were run only to reach that part; another shard judges them.
        sampled: the strategy that drew the schedules, with its seed; "": they were searched.
        wanted: the number of schedules to draw.
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
    met: bool = False
    outcomes: set[tuple[str, ...]] = field(default_factory=set)
    unsplit: set[str] = field(default_factory=set)
    last: RaceResult | None = None
    shard: tuple[int, int] = (1, 1)
    scouts: int = 0
    sampled: str = ""
    wanted: int = 0

    def count(self, ran: RaceResult) -> None:
        """Count a schedule that ran to its end undisturbed."""
        trace = ran.trace
        self.last = ran
        self.schedules += 1
        self.boundaries += trace.boundaries
        self.longest = max(self.longest, len(trace.steps))
        self.preempted = max(self.preempted, trace.preemptions)
        self.blocked += any(step.blocked_by for step in trace.steps)
        self.parked += any(step.parked for step in trace.steps)
        self.yielded += "yielded" in trace.notes
        unsplit = trace.notes.get("unsplit", ())
        self.unsplit.update(unsplit if isinstance(unsplit, list) else ())
        self.succeeded += any(reply is None or reply.ok for reply in ran.replies)
        self.outcomes.add(tuple(actor.answer for actor in trace.actors))

    def as_exercise(self, race: str) -> Exercise:
        """Return the counts on which a verdict is based."""
        return Exercise(
            Means.INTERLEAVINGS,
            self.schedules + self.scouts,
            subject=race,
            actors=self.actors,
            preemptions=self.bound,
            exhausted=self.exhausted,
            sampled=self.sampled if self.schedules >= self.wanted else "",
        )

    def as_note(self) -> dict[str, object]:
        """Return the counts for the evidence, JSON-compatible."""
        note: dict[str, object] = {
            "actors": self.actors,
            "preemptions": "any" if self.bound is None else self.bound,
            "reduction": "by dependence" if self.reduced and not self.sampled else "none",
            "schedules": self.schedules,
            "boundaries": self.boundaries,
            "exhausted": self.exhausted,
            "violations": int(self.violation is not None),
            "blocked": self.blocked,
            "outcomes": sorted(" ".join(outcome) for outcome in self.outcomes),
            "seconds": round(self.seconds, 3),
        }
        if self.sampled:
            note["strategy"] = self.sampled
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
