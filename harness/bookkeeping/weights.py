"""How long scenarios took before, so that the longest go first and an estimate can be given."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

FILE = ".durations.json"


def known_weights(reports: Path) -> Mapping[str, float]:
    """Seconds by scenario, as earlier runs left them; nothing where there was none."""
    try:
        known = json.loads((reports / FILE).read_text(encoding="utf-8"))
        return {str(name): float(seconds) for name, seconds in known.items()}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}  # a hint that is lost costs order, not verdicts


def remember_weights(reports: Path, spent: Mapping[str, float]) -> None:
    """Keep how long scenarios took, beside what is known of others."""
    known = {**known_weights(reports), **{name: round(seconds, 2) for name, seconds in spent.items()}}
    scratch = reports / f"{FILE}.part"
    try:
        scratch.write_text(json.dumps(known, indent=1), encoding="utf-8")
        scratch.replace(reports / FILE)
    except OSError:
        scratch.unlink(missing_ok=True)
