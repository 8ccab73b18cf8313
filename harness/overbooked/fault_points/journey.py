"""Journeys that can be run again and again, each time with another fault."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from overbooked.errors import GapFound


@dataclass(slots=True)
class Findings:
    """What oracles found in one run, the first for each aspect (`money`, `holds` ...)."""

    by_aspect: dict[str, GapFound] = field(default_factory=dict)

    def add(self, aspect: str, found: GapFound) -> None:
        """Keep it, unless something was found in this aspect before."""
        self.by_aspect.setdefault(aspect, found)

    def __bool__(self) -> bool:
        return bool(self.by_aspect)


class Mark(Protocol):
    """Says at which step a journey is from now on."""

    def __call__(self, step: str) -> None: ...


class Trial(Protocol):
    """One run of a journey, on things of its own, so that what becomes of them is its doing alone."""

    # Whether its client comes back only after recovery has been there; set by the sweep, so that of
    # faults that lie side by side one is found by the client and the next by recovery.
    patient: bool

    @property
    def findings(self) -> Findings: ...

    async def ready(self) -> None:
        """What has to be done right before it is played, and is no part of it."""

    async def play(self, replica: int, mark: Mark) -> None:
        """Do the journey at a replica, as a client does who tries again; returns when he has an answer,
        or has given up for now."""

    async def glance(self) -> None:
        """Look at durable state as it is, before anything recovers; adds to `findings`."""

    @property
    def undecided(self) -> bool:
        """Whether anything is left for recovery to do."""

    @property
    def done(self) -> bool:
        """Whether the journey came to the end that it has when nothing disturbs it."""

    async def recover(self, replica: int, way: str) -> None:
        """Let this trial be taken up again in one of `Journey.recoveries`; what fails is tried again,
        as a client and a timer do."""


class Journey(Protocol):
    """A journey, its trials and how they end."""

    @property
    def name(self) -> str: ...

    @property
    def links(self) -> Sequence[str]:
        """Whose boundaries are its fault points."""

    @property
    def replica(self) -> int | None:
        """The only replica that it can be done at; None when any will do."""

    @property
    def aspects(self) -> Mapping[str, str]:
        """What it is judged for: a short name, and what it says."""

    async def prepare(self, n: int) -> Sequence[Trial]:
        """Make ready for `n` trials; nothing of it is part of the journey."""

    async def probe(self, replica: int) -> None:
        """A small request that needs what the journey needs of the service; whatever comes of it."""

    @property
    def recoveries(self) -> Sequence[str]:
        """The ways in which one trial can be taken up again, e.g. by its client, by a job."""

    async def later(self) -> None:
        """Let so much time pass that a trial may be taken up again."""

    async def finish(self, trials: Sequence[Any]) -> None:
        """Let recovery and reconciliation finish for all of these together, and judge each."""
