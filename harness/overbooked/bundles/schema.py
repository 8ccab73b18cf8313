"""A replay bundle: one schedule or fault plan, with everything needed to run it again.


`docs/replay.md` documents the JSON. A bundle holds no secret and no personal data: its contents are redacted
before it is written.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Literal

from pydantic import Field

from overbooked.recording import RecordedStep, Recording, RecordPart
from overbooked.traces.recorded import trace_of
from overbooked.traces.trace import Trace

SCHEMA_VERSION: Literal[3] = 3
"""The version that is written. In schedules of versions 1 and 2 the beginning of an actor is no step: all
begin before the first one. In those of version 1 a statement outside BEGIN and its commit are one step, and
the end of a session is none."""
READABLE = (1, 2, 3)
VERSION_KEY = "overbooked_bundle"
# A JSON string contains no line end, so every match is a list.
_NUMBERS = re.compile(r"\[\n\s+\d+(?:,\n\s+\d+)*\n\s+\]")


# Part of the name of a race between two requests of a burst; its clause is proven by bursts.
OF_A_BURST = " of a burst, "


class Origin(RecordPart):
    """When, by which run and on which system a bundle was made.

    Args:
        seed: the seed of the run; all random choices are derived from it.
        scenario_seed: the seed of the scenario.
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


class Fingerprints(RecordPart):
    """Fingerprints of the scenario, of the catalog's texts and of the migrations.

    An empty fingerprint was unknown when the bundle was made, and is not compared.
    """

    target: str
    scenario: str = ""
    catalog: str = ""
    migrations: str = ""


class ExpectedFinding(RecordPart):
    """The finding of the run that made the bundle."""

    verdict: Literal["open"] = "open"
    what: str
    expected: str = ""
    observed: str = ""
    operations: tuple[str, ...] = ()


class Bundle(RecordPart):
    """A complete bundle.

    Args:
        overbooked_bundle: the version of the schema.
        clause: the clause that it opens; "" for `overbooked sweep`, which judges none.
        scenario: the node id, parameters included; "" for `overbooked sweep`.
        command: the command that replays it.
        made: the origin.
        fits: the fingerprints of the dependencies.
        expected: the finding to reproduce.
        recording: the schedule or fault plan, with its trace.
    """

    overbooked_bundle: Literal[1, 2, 3] = SCHEMA_VERSION
    clause: str
    scenario: str
    command: str
    made: Origin
    fits: Fingerprints
    expected: ExpectedFinding
    recording: Recording

    @property
    def orders_commits(self) -> bool:
        """Whether commits of autocommit statements and ends of sessions are steps of the schedule."""
        return self.overbooked_bundle > 1

    @property
    def orders_begins(self) -> bool:
        """Whether the beginning of an actor is a step of the schedule."""
        return self.overbooked_bundle > 2

    @property
    def trace(self) -> Trace:
        """The recorded trace."""
        return trace_of(self.recording)

    @property
    def subject(self) -> str:
        """The clause; for `overbooked sweep`, the journey and the violated aspect."""
        faults = self.recording.faults
        return self.clause or (f"{faults.journey}, {self.recording.aspect}" if faults else "")

    @property
    def search(self) -> str:
        """The command that searches the current system for the finding instead of replaying it."""
        faults = self.recording.faults
        if faults:
            return f"overbooked sweep {faults.journey}"
        return f"overbooked {'run' if OF_A_BURST in self.recording.race else 'race'} {self.clause}"

    def dumped(self) -> str:
        """Return the bundle as JSON, with the version first and each list of numbers on one line."""
        return _NUMBERS.sub(lambda match: " ".join(match[0].split()), self.model_dump_json(indent=1)) + "\n"

    def within(self, size_bytes: int) -> Bundle:
        """Return a copy with as much of the trace as fits into a file of this size.

        The texts of statements are removed first, then the trace; the schedule or fault plan is always kept.
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

    def _with(self, recording: Recording, *, steps: Sequence[RecordedStep], cut: str) -> Bundle:
        cropped = recording.model_copy(update={"steps": tuple(steps), "cut": cut})
        return self.model_copy(update={"recording": cropped})


def _size(bundle: Bundle) -> int:
    return len(bundle.dumped().encode())
