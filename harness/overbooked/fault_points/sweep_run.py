"""One run of a sweep."""

from __future__ import annotations

from dataclasses import dataclass

from overbooked.fault_points.gatekeeper import RecordedRun
from overbooked.fault_points.journey import JourneyRun
from overbooked.fault_points.points import FaultPlan


@dataclass(slots=True)
class SweepRun:
    """One run of the journey under a plan (None: without a fault), and its result."""

    plan: FaultPlan | None
    trial: JourneyRun
    turn: RecordedRun | None = None
    struck: bool = False
    undecided: bool = False
