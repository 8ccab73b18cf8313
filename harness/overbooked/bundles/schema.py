"""A replay bundle: one schedule, or one fault plan, and all it takes to run exactly that again.

`docs/replay.md` explains it to readers of the JSON. A bundle holds no secret and no personal data: what
is made here is redacted before it is kept.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from overbooked.fault_points.points import FaultPlan, FaultPoint
from overbooked.plain_text import clean, cleaned
from overbooked.traces.trace import Trace, TraceActor, TraceStep
from overbooked.wire.gate.boundary import FaultKind

SCHEMA_VERSION: Literal[2] = 2
"""The version that is written. In schedules of version 1 a statement outside BEGIN and its commit are one
step, and the end of a session is none."""
READABLE = (1, 2)
VERSION_KEY = "overbooked_bundle"
# No string of JSON holds a line end, so that this is a list wherever it matches.
_NUMBERS = re.compile(r"\[\n\s+\d+(?:,\n\s+\d+)*\n\s+\]")


# In the name of a race that two requests of a burst make; its clause is shown by bursts.
OF_A_BURST = " of a burst, "


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Actor(_Part):
    """One lane: who, what he set out to do, the replica he is pinned to, and how he ended."""

    name: str
    verb: str
    replica: int = Field(0, ge=0)
    answer: str = ""


class Step(_Part):
    """One boundary that was let go; the fields are those of `overbooked.traces.trace.TraceStep`."""

    actor: int = Field(ge=0)
    link: str
    protocol: str
    connection: int = Field(ge=1)
    verb: str
    shape: str
    text: str = ""
    values: tuple[str | None, ...] = ()
    enabled: tuple[int, ...] = ()
    reply: str = ""
    error: str = ""
    rows: int | None = None
    in_transaction: bool = False
    preempted: bool = False
    blocked_by: tuple[int, ...] = ()
    blocked_until: int | None = None
    parked: bool = False


class Point(_Part):
    """A fault point: whose boundary, which of them, and what it is."""

    actor: str
    ordinal: int = Field(ge=1)
    link: str
    shape: str
    nth: int = Field(ge=1)
    fingerprint: str
    verb: str = ""
    step: str = ""

    @classmethod
    def of(cls, point: FaultPoint) -> Point:
        return cls(
            actor=point.actor,
            ordinal=point.ordinal,
            link=point.link,
            shape=point.shape,
            nth=point.nth,
            fingerprint=point.fingerprint,
            verb=point.verb,
            step=point.step,
        )

    def as_point(self) -> FaultPoint:
        return FaultPoint(self.actor, self.ordinal, self.link, self.shape, self.nth, self.verb, self.step)


class Faults(_Part):
    """A fault plan: one fault, or one more while the journey recovers from the first.

    `patient`: the client left to recovery what the fault had left undecided.
    """

    journey: str
    point: Point
    kind: FaultKind
    code: str = ""
    second: Point | None = None
    second_kind: FaultKind | None = None
    patient: bool = False

    @classmethod
    def of(cls, plan: FaultPlan, *, patient: bool = False) -> Faults:
        second = Point.of(plan.second) if plan.second else None
        return cls(
            journey=plan.journey,
            point=Point.of(plan.point),
            kind=plan.kind,
            code=plan.code,
            second=second,
            second_kind=plan.second_kind,
            patient=patient,
        )

    def as_plan(self) -> FaultPlan:
        second = self.second.as_point() if self.second else None
        return FaultPlan(self.journey, self.point.as_point(), self.kind, self.code, second, self.second_kind)


class Recording(_Part):
    """What an exploration or a sweep knows of what it found.

    Args:
        race: of a schedule: its name within the scenario.
        schedule: of a schedule: the actor of each step.
        faults: of a fault plan.
        aspect: of a fault plan: what was violated, e.g. `money`.
        actors, steps: the trace; ids in it are numbered by first use.
        cut: what the size limit left out; "": nothing.
    """

    kind: Literal["schedule", "fault plan"]
    race: str = ""
    schedule: tuple[int, ...] = ()
    faults: Faults | None = None
    aspect: str = ""
    anomaly: str = ""
    actors: tuple[Actor, ...] = ()
    steps: tuple[Step, ...] = ()
    cut: str = ""

    @property
    def trace(self) -> Trace:
        """The trace, as lanes are drawn from and replays compared with."""
        own = [
            [n for n, step in enumerate(self.steps) if step.actor == actor]
            for actor in range(len(self.actors))
        ]
        actors = tuple(
            TraceActor(
                one.name, one.verb, one.replica, one.answer, *((at[0], at[-1]) if at else (None, None))
            )
            for one, at in zip(self.actors, own, strict=True)
        )
        steps = tuple(
            TraceStep(**{name: getattr(step, name) for name in Step.model_fields}) for step in self.steps
        )
        return Trace(actors, steps)


def recorded_schedule(race: str, trace: Trace, *, anomaly: str = "") -> Recording:
    """The recording of a schedule; its trace must be redacted already."""
    actors, steps = parts_of(trace)
    return Recording(
        kind="schedule", race=race, schedule=trace.schedule, anomaly=anomaly, actors=actors, steps=steps
    )


def parts_of(trace: Trace) -> tuple[tuple[Actor, ...], tuple[Step, ...]]:
    """Actors and steps of a trace as a bundle holds them."""
    actors = tuple(
        Actor(name=clean(one.name), verb=one.verb, replica=one.replica, answer=clean(one.answer))
        for one in trace.actors
    )
    steps = tuple(
        Step(**{name: cleaned(getattr(step, name)) for name in Step.model_fields}) for step in trace.steps
    )
    return actors, steps


class Made(_Part):
    """When, by which run and on what a bundle was made.

    Args:
        seed: of the run; everything random follows from it.
        scenario_seed: of the scenario alone.
        settings: what the command line said beyond the defaults, nested as overbooked.toml.
    """

    run: str
    at: datetime
    seed: int
    scenario_seed: int
    profile: str
    mutant: str | None = None
    stack: str
    replicas: int = Field(ge=0)
    versions: Mapping[str, str] = {}


class Fits(_Part):
    """What the bundle fits, as fingerprints: of the scenario, of the catalog's sentences, of the migrations.

    An empty one was not known when the bundle was made, and is not compared.
    """

    target: str
    scenario: str = ""
    catalog: str = ""
    migrations: str = ""


class Expected(_Part):
    """How the run ended that made the bundle."""

    verdict: Literal["open"] = "open"
    what: str
    expected: str = ""
    observed: str = ""
    operations: tuple[str, ...] = ()


class Bundle(_Part):
    """A whole bundle.

    Args:
        overbooked_bundle: the version of the schema.
        clause: the clause that it opens; "" of a sweep by itself, which judges none.
        scenario: the node id, parameters included; "" likewise.
        command: what replays it.
    """

    overbooked_bundle: Literal[1, 2] = SCHEMA_VERSION
    clause: str
    scenario: str
    command: str
    made: Made
    fits: Fits
    expected: Expected
    recording: Recording

    @property
    def orders_commits(self) -> bool:
        """Whether commits of autocommit statements and ends of sessions are steps of its schedule."""
        return self.overbooked_bundle > 1

    @property
    def trace(self) -> Trace:
        """The recorded trace."""
        return self.recording.trace

    @property
    def subject(self) -> str:
        """What it is about: its clause or, of a sweep by itself, what was violated of which journey."""
        faults = self.recording.faults
        return self.clause or (f"{faults.journey}, {self.recording.aspect}" if faults else "")

    @property
    def search(self) -> str:
        """The command that searches what is there now, instead of doing this again."""
        faults = self.recording.faults
        if faults:
            return f"overbooked sweep {faults.journey}"
        return f"overbooked {'run' if OF_A_BURST in self.recording.race else 'race'} {self.clause}"

    def dumped(self) -> str:
        """As JSON, the version first, lists of numbers in one line each."""
        return _NUMBERS.sub(lambda match: " ".join(match[0].split()), self.model_dump_json(indent=1)) + "\n"

    def within(self, size_bytes: int) -> Bundle:
        """Itself, with as much of the trace as fits a file of this size.

        First the texts of statements go, then the trace; the schedule or the fault plan always stays.
        """
        if _size(self) <= size_bytes:
            return self
        recording = self.recording
        bare = [step.model_copy(update={"text": "", "values": ()}) for step in recording.steps]
        smaller = self._with(recording, steps=tuple(bare), cut="the texts of statements")
        if _size(smaller) <= size_bytes:
            return smaller
        operations = self.expected.model_copy(update={"operations": ()})
        return self._with(recording, steps=(), cut="the trace").model_copy(update={"expected": operations})

    def _with(self, recording: Recording, *, steps: Sequence[Step], cut: str) -> Bundle:
        cropped = recording.model_copy(update={"steps": tuple(steps), "cut": cut})
        return self.model_copy(update={"recording": cropped})


def _size(bundle: Bundle) -> int:
    return len(bundle.dumped().encode())
