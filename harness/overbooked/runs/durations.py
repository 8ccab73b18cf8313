"""How long scenarios took before, so that the longest go first and an estimate can be given."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from overbooked.atomic_write import CannotWrite, write_whole

FILE = ".durations.json"
SHIPPED = "durations.json"


def known_weights(reports: Path, scenarios: Sequence[Path] = ()) -> Mapping[str, float]:
    """Seconds by scenario, as earlier runs left them.

    Args:
        reports: where those runs left their output.
        scenarios: folders of scenarios; a `durations.json` there serves the first run of all.
    """
    known: dict[str, float] = {}
    for file in [*(folder / SHIPPED for folder in scenarios), reports / FILE]:
        known.update(_read(file))
    return known


def _read(file: Path) -> Mapping[str, float]:
    try:
        known = json.loads(file.read_text(encoding="utf-8"))
        return {str(name): float(seconds) for name, seconds in known.items()}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}  # a hint that is lost costs order, not verdicts


def remember_weights(reports: Path, spent: Mapping[str, float]) -> None:
    """Keep how long scenarios took, beside what is known of others."""
    known = {**known_weights(reports), **{name: round(seconds, 2) for name, seconds in spent.items()}}
    with suppress(CannotWrite):
        write_whole(reports / FILE, json.dumps(known, indent=1))
