"""The interface of a journey that can be swept, i.e. run repeatedly with a different fault each time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from overbooked.errors import GapFound


@dataclass(slots=True)
class Findings:
    """The findings of the oracles in one run: the first of each aspect (`money`, `holds` ...)."""

    by_aspect: dict[str, GapFound] = field(default_factory=dict)

    def add(self, aspect: str, found: GapFound) -> None:
        """Add a finding, unless the aspect already has one."""
        self.by_aspect.setdefault(aspect, found)

    def __bool__(self) -> bool:
        return bool(self.by_aspect)


class Mark(Protocol):
    """A callback that records the step that a journey has reached."""

    def __call__(self, step: str) -> None: ...


class JourneyRun(Protocol):
    """One run of a journey. It uses its own objects, so that their state results from this run alone."""

    # Whether the client retries only after recovery. The sweep alternates the value, so that of two
    # neighbouring faults the client handles one and recovery the other.
    patient: bool

    @property
    def findings(self) -> Findings: ...

    async def ready(self) -> None:
        """Prepare what must be fresh when the run begins. This is not part of the journey."""

    async def play(self, replica: int, mark: Mark) -> None:
        """Run the journey at a replica with a client that retries, until it has an answer or gives
        up for now."""

    async def glance(self) -> None:
        """Judge durable state before recovery, and add to `findings`."""

    @property
    def undecided(self) -> bool:
        """Whether recovery has anything left to do."""

    @property
    def done(self) -> bool:
        """Whether the journey ended as it does without a fault."""

    async def recover(self, replica: int, way: str) -> None:
        """Resume this run in one of the ways of `Journey.recoveries`; retry failed requests, as a client or a
        timer does."""


class Journey(Protocol):
    """A journey: how its runs are prepared, recovered and judged."""

    @property
    def name(self) -> str: ...

    @property
    def links(self) -> Sequence[str]:
        """The links whose boundaries are the fault points of the journey."""

    @property
    def replica(self) -> int | None:
        """The index of the only replica that the journey can use; None: any."""

    @property
    def aspects(self) -> Mapping[str, str]:
        """The aspects by which the journey is judged: short name to sentence."""

    async def prepare(self, n: int) -> Sequence[JourneyRun]:
        """Prepare `n` runs; this is not part of the journey."""

    async def probe(self, replica: int) -> None:
        """Send a small request that crosses the same links as the journey; its answer does not matter."""

    @property
    def recoveries(self) -> Sequence[str]:
        """The ways in which a run can be resumed, e.g. by its client or by a job."""

    async def later(self) -> None:
        """Advance the clock far enough that a run may be resumed."""

    async def finish(self, trials: Sequence[Any]) -> None:
        """Run recovery and reconciliation for all of these together, and judge each."""
