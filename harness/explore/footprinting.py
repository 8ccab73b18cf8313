"""What the steps of a schedule touch, for the search and for naming what went wrong."""

from __future__ import annotations

from collections.abc import Sequence

from harness.explore.lane import Stepping, Wire, wire_of
from harness.explore.resources import EVERYTHING, NOTHING, Footprint
from harness.explore.schedule import Step
from harness.wire.boundary import Boundary, WireProtocol

_ENDS = {"COMMIT", "ROLLBACK", "END", "ABORT"}


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
        return [step.footprint | step.effects for step in self.steps(steps)]

    def steps(self, steps: Sequence[Stepping]) -> list[Step]:
        """The steps as the search is told of them: an end of a transaction touches all that it did."""
        held: dict[Wire, Footprint] = {}
        told = []
        for step in steps:
            boundary, reply, wire = step.boundary, step.reply, wire_of(step.boundary)
            before = held.pop(wire, NOTHING)
            touched = before if boundary.verb in _ENDS else self._of(boundary)
            failed = reply is not None and bool(reply.error) and boundary.protocol is WireProtocol.POSTGRES
            told.append(
                Step(
                    step.lane,
                    step.enabled,
                    touched,
                    holds=before,
                    effects=before if failed else NOTHING,
                    blocked_until=step.blocked_until,
                    yields=step.yields,
                )
            )
            if reply is not None and reply.in_transaction:
                held[wire] = before | touched
        return told

    def _of(self, boundary: Boundary) -> Footprint:
        if boundary.protocol is WireProtocol.POSTGRES:
            return NOTHING if boundary.verb == "BEGIN" else EVERYTHING
        return Footprint(writes=frozenset({boundary.link}))
