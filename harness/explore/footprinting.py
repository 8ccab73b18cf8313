"""What the steps of a schedule touch, for the search and for naming what went wrong."""

from __future__ import annotations

from collections.abc import Sequence

from harness.explore.lane import Stepping
from harness.explore.resources import EVERYTHING, NOTHING, Footprint
from harness.explore.schedule import Step
from harness.wire.boundary import Boundary, WireProtocol


class Footprinting:
    """Footprints of boundaries.

    Args:
        dsn: a database URL to read the schema from; None: there is no database.
    """

    def __init__(self, dsn: str | None) -> None:
        self._dsn = dsn

    async def ready(self) -> None:
        """Read what has to be known beforehand."""

    def harmless(self, boundary: Boundary) -> bool:
        """Whether a boundary changes nothing that anybody could see."""
        touched = self._of(boundary)
        return not (touched.everything or touched.writes) or boundary.verb == "SELECT"

    def of(self, steps: Sequence[Stepping]) -> list[Footprint]:
        """What each step touched."""
        return [self._of(step.boundary) for step in steps]

    def steps(self, steps: Sequence[Stepping]) -> list[Step]:
        """The steps as the search is told of them."""
        return [
            Step(step.lane, step.enabled, touched, blocked_until=step.blocked_until, yields=step.yields)
            for step, touched in zip(steps, self.of(steps), strict=True)
        ]

    def _of(self, boundary: Boundary) -> Footprint:
        if boundary.protocol is WireProtocol.POSTGRES:
            return NOTHING if boundary.verb == "BEGIN" else EVERYTHING
        return Footprint(writes=frozenset({boundary.link}))
