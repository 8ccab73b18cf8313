"""The address of a fault on the command line: its point by number or fingerprint, and its kind."""

from __future__ import annotations

import re
from dataclasses import dataclass

from overbooked.fault_points.points import FaultPlan, FaultPoint
from overbooked.wire.gate.boundary import FaultKind

_FORM = re.compile(
    r"(?:(?P<fingerprint>[0-9a-f]{12})(?:\.(?P<nth>\d+))?|(?P<ordinal>\d{1,11})):(?P<kind>[a-z -]+)"
)


@dataclass(frozen=True, slots=True)
class FaultAddress:
    """Names one fault of a journey: `62:kill-after`, or `3f9c12ab45de.2:kill-after`.

    A number is the point's place in a sweep that was just shown. A fingerprint with the number of its
    occurrence also finds the point if the journey now crosses more or fewer boundaries.

    Args:
        ordinal: the place, from 1; None where the fingerprint names the point.
        fingerprint: of link and shape.
        nth: the occurrence of the fingerprint, from 1.
    """

    kind: FaultKind
    ordinal: int | None = None
    fingerprint: str = ""
    nth: int = 1

    @classmethod
    def of(cls, point: FaultPoint, kind: FaultKind) -> FaultAddress:
        """Return the address of a fault by fingerprint; it stays valid if the points are renumbered."""
        return cls(kind, fingerprint=point.fingerprint, nth=point.nth)

    @classmethod
    def parse(cls, text: str) -> FaultAddress | None:
        """Parse an address; return None if the text is not one."""
        match = _FORM.fullmatch(text.strip())
        kinds = {kind.value.replace(" ", "-"): kind for kind in FaultKind}
        kind = kinds.get(match["kind"].strip().replace(" ", "-")) if match else None
        if match is None or kind is None:
            return None
        if match["ordinal"] is not None:
            return cls(kind, int(match["ordinal"]))
        return cls(kind, fingerprint=match["fingerprint"], nth=int(match["nth"] or 1))

    def names(self, point: FaultPoint | None, kind: FaultKind | None) -> bool:
        """Return whether this address identifies the fault."""
        if point is None or kind is not self.kind:
            return False
        if self.ordinal is not None:
            return point.ordinal == self.ordinal
        return (point.fingerprint, point.nth) == (self.fingerprint, self.nth)

    def __str__(self) -> str:
        nth = f".{self.nth}" if self.nth > 1 else ""
        point = f"{self.fingerprint}{nth}" if self.ordinal is None else str(self.ordinal)
        return f"{point}:{self.kind.value.replace(' ', '-')}"


def rerun_command(plan: FaultPlan | None, journey: str, *, patient: bool = False) -> str:
    """Return the command that injects the faults of a plan again, on the system as it is.

    Args:
        plan: None where no fault was needed.
        patient: the client did not retry before recovery ran.
    """
    if plan is None:
        return f"overbooked sweep {journey}"
    only = str(FaultAddress.of(plan.point, plan.kind))
    if plan.second is not None and plan.second_kind is not None:
        only = f"{only},{FaultAddress.of(plan.second, plan.second_kind)}"
    return f"overbooked sweep {journey} --only {only}{' --patient' if patient else ''}"
