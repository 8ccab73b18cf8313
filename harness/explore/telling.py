"""What a finding of the explorer leaves in the evidence: lanes to look at, and a recording for a bundle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from harness.explore.bundle import Faults, Recording, recorded_schedule
from harness.explore.fault_points import FaultPlan
from harness.explore.lanes import text_lines
from harness.explore.redaction import Redactor
from harness.explore.story import Left, Story, Tell

# Keys of a finding's details. Whoever keeps the run's books turns a recording into a bundle.
LANES = "lanes"
RECORDING = "recording"
# Narrow enough for a terminal of 80 columns, indented as evidence is.
WIDTH = 70


def telling(patterns: Sequence[str] = ()) -> Tell:
    """Tells stories as lanes and recordings.

    Args:
        patterns: regular expressions of what is taken out beside secrets and personal data.
    """

    def tell(story: Story) -> Left:
        trace = Redactor(patterns).trace(story.trace)
        recording = recorded_schedule(story.race, trace, anomaly=story.anomaly.value)
        details: dict[str, object] = {
            LANES: text_lines(trace, WIDTH),
            RECORDING: recording.model_dump(mode="json"),
        }
        return Left(details=details)

    return tell


def recorded_faults(plan: FaultPlan | None, aspect: str) -> Mapping[str, Any]:
    """The recording of a fault plan, for a finding's details; none where no fault at all was needed."""
    if plan is None:
        return {}
    redactor = Redactor()
    points = [
        replace(one, step=redactor.text(one.step)) if one else None for one in (plan.point, plan.second)
    ]
    assert points[0] is not None
    public = replace(plan, point=points[0], second=points[1])
    recording = Recording(kind="fault plan", faults=Faults.of(public), aspect=aspect)
    return {RECORDING: recording.model_dump(mode="json")}
