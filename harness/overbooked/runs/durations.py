"""Durations of scenarios in earlier runs, for the order of trials and for estimates."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from overbooked.atomic_write import CannotWrite, write_whole

FILE = ".durations.json"
SHIPPED = "durations.json"


def load(reports: Path, scenarios: Sequence[Path] = ()) -> Mapping[str, float]:
    """Return the seconds of each scenario, as recorded by earlier runs.

    Args:
        reports: the output folder of those runs.
        scenarios: folders of scenarios; their `durations.json` supplies scenarios without a recorded
            duration.
    """
    return {**shipped(scenarios), **_read(reports / FILE)}


def shipped(scenarios: Sequence[Path]) -> Mapping[str, float]:
    """Return the seconds of each scenario from the files next to the scenarios, equal on all machines."""
    known: dict[str, float] = {}
    for folder in scenarios:
        known.update(_read(folder / SHIPPED))
    return known


def _read(file: Path) -> Mapping[str, float]:
    try:
        known = json.loads(file.read_text(encoding="utf-8"))
        return {str(name): float(seconds) for name, seconds in known.items()}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}  # missing durations affect the order, not a verdict


def save(reports: Path, spent: Mapping[str, float]) -> None:
    """Save the durations of scenarios, and keep the known ones of others."""
    known = {**load(reports), **{name: round(seconds, 2) for name, seconds in spent.items()}}
    with suppress(CannotWrite):
        write_whole(reports / FILE, json.dumps(known, indent=1))
