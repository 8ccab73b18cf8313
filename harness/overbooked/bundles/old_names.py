"""Renames the links of bundles that were recorded under former link names."""

from __future__ import annotations

from overbooked.bundles.schema import Bundle
from overbooked.fault_points.points import fingerprint_of
from overbooked.part_names import accept_name
from overbooked.recording import RecordedFaults, RecordedPoint


def with_current_names(bundle: Bundle, where: str) -> Bundle:
    """Return the bundle with every link under its current name; a former name is reported on stderr.

    The fingerprint of a fault point is derived from its link, so it changes with the name.

    Args:
        where: names the bundle in the report.
    """
    recording = bundle.recording
    steps = tuple(step.model_copy(update={"link": accept_name(step.link, where)}) for step in recording.steps)
    if recording.faults:
        recording = recording.model_copy(update={"faults": _faults(recording.faults, where)})
    return bundle.model_copy(update={"recording": recording.model_copy(update={"steps": steps})})


def _faults(faults: RecordedFaults, where: str) -> RecordedFaults:
    second = _point(faults.second, where) if faults.second else None
    return faults.model_copy(update={"point": _point(faults.point, where), "second": second})


def _point(point: RecordedPoint, where: str) -> RecordedPoint:
    link = accept_name(point.link, where)
    return point.model_copy(update={"link": link, "fingerprint": fingerprint_of(link, point.shape)})
