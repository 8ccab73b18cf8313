"""The recording of a finding, for its replay: a schedule or a fault plan, with its trace.

A finding carries it as a field, and a replay bundle stores it. The module imports no engine: each engine
converts its own schedules or fault plans.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

# The values of `overbooked.wire.gate.boundary.FaultKind`.
FaultName = Literal[
    "error",
    "reset before",
    "answer lost",
    "stall",
    "trickle",
    "kill before",
    "kill after",
    "call lost",
    "down",
    "lost then down",
    "refusing",
    "silent",
    "lost then silent",
]


class RecordPart(BaseModel):
    """A part of a stored record: immutable, and without unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class RecordedActor(RecordPart):
    """One lane: the actor's name and verb, the replica it is pinned to, and its answer."""

    name: str
    verb: str
    replica: int = Field(0, ge=0)
    answer: str = ""


class RecordedStep(RecordPart):
    """One boundary that was released; the fields are those of `overbooked.traces.trace.TraceStep`."""

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


class RecordedPoint(RecordPart):
    """A fault point; the fields are those of `overbooked.fault_points.points.FaultPoint`."""

    actor: str
    ordinal: int = Field(ge=1)
    link: str
    shape: str
    nth: int = Field(ge=1)
    fingerprint: str
    verb: str = ""
    step: str = ""


class RecordedFaults(RecordPart):
    """A fault plan: one fault, or a second one during the recovery from the first.

    `patient`: the client did not retry before recovery ran.
    """

    journey: str
    point: RecordedPoint
    kind: FaultName
    code: str = ""
    second: RecordedPoint | None = None
    second_kind: FaultName | None = None
    patient: bool = False


class Recording(RecordPart):
    """The schedule or the fault plan that shows a finding, and the trace of that run.

    Args:
        race: for a schedule, the name of the race within its scenario.
        schedule: for a schedule, the actor of each step, an index into `actors`.
        faults: for a fault plan, its faults.
        aspect: for a fault plan, the violated aspect, e.g. `money`.
        anomaly: for a schedule, the kind of anomaly, e.g. `lost update`.
        actors, steps: the trace; ids in it are numbered by first use.
        cut: the parts removed by the size limit; "": none.
    """

    kind: Literal["schedule", "fault plan"]
    race: str = ""
    schedule: tuple[int, ...] = ()
    faults: RecordedFaults | None = None
    aspect: str = ""
    anomaly: str = ""
    actors: tuple[RecordedActor, ...] = ()
    steps: tuple[RecordedStep, ...] = ()
    cut: str = ""
