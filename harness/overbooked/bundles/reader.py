"""Reads a bundle file, and rejects any other file with the reason."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from overbooked.bundles.old_names import with_current_names
from overbooked.bundles.schema import READABLE, SCHEMA_VERSION, VERSION_KEY, Bundle
from overbooked.errors import UsageError
from overbooked.fault_points.points import fingerprint_of

# Far above the maximum size of a written bundle; a larger file is not a bundle.
_LARGEST = 64 * 2**20


class BadBundle(UsageError):
    """A file is not a bundle, is damaged, or has a schema version that this version does not read."""


def read_bundle(path: Path) -> Bundle:
    """Return the bundle of a file.

    Raises:
        BadBundle: the file cannot be read, or is not a readable bundle.
    """
    try:
        size = path.stat().st_size
        if size > _LARGEST:
            raise BadBundle(f"{path} is not a replay bundle: {size:,} bytes are more than any bundle has")
        return parse_bundle(path.read_text(encoding="utf-8"), str(path))
    except OSError as error:
        raise BadBundle(f"{path}: the bundle cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise BadBundle(f"{path} is not a replay bundle: not UTF-8 text ({error.reason})") from error


def parse_bundle(text: str, where: str) -> Bundle:
    """Return the bundle of a JSON text.

    Args:
        where: names the origin of the text in messages.

    Raises:
        BadBundle: invalid JSON, truncated, not a bundle, another version, or damaged.
    """
    try:
        data = json.loads(text)
    except ValueError as error:
        raise BadBundle(_no_json(text, where, error)) from error
    except RecursionError as error:
        raise BadBundle(f"{where} is not a replay bundle: its JSON is nested too deeply") from error
    if not isinstance(data, dict) or VERSION_KEY not in data:
        raise BadBundle(
            f"{where} is not a replay bundle: it has no {VERSION_KEY!r}; `overbooked race` writes bundles"
        )
    version = data[VERSION_KEY]
    if isinstance(version, bool) or not isinstance(version, int) or version not in READABLE:
        raise BadBundle(_other_version(data, where, version))
    try:
        bundle = Bundle.model_validate(data)
    except ValidationError as error:
        raise BadBundle(f"{where} is a damaged bundle: {_first(error)}") from error
    if wrong := _contradiction(bundle):
        raise BadBundle(f"{where} is a damaged bundle: {wrong}")
    return with_current_names(bundle, where)


def _no_json(text: str, where: str, error: ValueError) -> str:
    at = getattr(error, "pos", 0)
    if not text.strip():
        return f"{where} is not a replay bundle: it is empty"
    if at >= len(text.rstrip()) or "Unterminated string" in str(error):
        return f"{where} is a truncated bundle: its JSON ends at character {len(text)}, in the middle"
    return f"{where} is not a replay bundle: invalid JSON ({error})"


def _other_version(data: Mapping[str, Any], where: str, version: object) -> str:
    clause = data.get("clause")
    again = (
        f"`overbooked race {clause}` makes a new one"
        if clause and isinstance(clause, str)
        else "make a new one"
    )
    *older, newest = map(str, READABLE)
    age = "a newer" if isinstance(version, int) and version > SCHEMA_VERSION else "another"
    return (
        f"{where} is a bundle of schema version {version!r}, and this Overbooked reads "
        f"{', '.join(older)} and {newest}: "
        f"{'update Overbooked, or ' if age == 'a newer' else ''}{again}"
    )


def _first(error: ValidationError) -> str:
    first = error.errors()[0]
    place = ".".join(map(str, first["loc"]))
    return f"{place}: {first['msg'][:1].lower()}{first['msg'][1:]}"


def _contradiction(bundle: Bundle) -> str:
    """Return a contradiction between parts of a bundle, which the schema cannot express; "" if none."""
    recording = bundle.recording
    if recording.kind == "fault plan":
        if recording.faults is None:
            return "recording.faults: missing in a fault plan"
        for point in (recording.faults.point, recording.faults.second):
            if point is not None and point.fingerprint != fingerprint_of(point.link, point.shape):
                return "recording.faults: a point's fingerprint is not that of its link and shape"
        return ""
    if not bundle.clause:
        return "clause: missing in a bundle of a schedule"
    actors = len(recording.actors)
    if any(actor >= actors or actor < 0 for actor in recording.schedule):
        return f"recording.schedule: it names an actor that is not among the {actors}"
    if recording.steps and tuple(step.actor for step in recording.steps) != recording.schedule:
        return "recording.steps: their actors are not the schedule"
    return ""
