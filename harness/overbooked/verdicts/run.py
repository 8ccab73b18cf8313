"""The description of a run: its id and conditions, its shard, and its canary."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from overbooked.verdicts.verdict import Verdict

# Prefix of the reason of a clause if only some of its scenarios ran in the present shards.
IN_PART = "in part: "


@dataclass(frozen=True, slots=True)
class Shard:
    """The part of a suite that a run covers.

    Args:
        of: number of parts.
        present: the covered parts, from 1; a merged run has several.
        scenarios: node ids of the scenarios of each clause in all parts, by the clause's full name; the
            clause needs every one of them.
    """

    of: int
    present: tuple[int, ...]
    scenarios: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def missing(self) -> tuple[int, ...]:
        """The parts that are not present."""
        return tuple(index for index in range(1, self.of + 1) if index not in self.present)

    def as_dict(self) -> dict[str, Any]:
        return {
            "of": self.of,
            "present": list(self.present),
            "missing": list(self.missing),
            "scenarios": {clause: list(names) for clause, names in self.scenarios.items()},
        }


@dataclass(frozen=True, slots=True)
class Run:
    """The description of a run, known before anything is judged.

    Args:
        id: its id, also the name of its folder.
        started_at: the start, timezone-aware.
        seed: the seed from which all random choices are derived.
        profile: the profile's name.
        stack: the kind of stack: `embedded`, `containers` or `external`.
        versions: the version of each component, by name.
        mutant: the active mutant; None: none.
        target: the name of the system under test.
        workers: number of scenarios that run concurrently.
        shard: the part of a suite; None: the whole.
        options: further command-line options that affect what is judged, e.g. `--config FILE`.
    """

    id: str
    started_at: datetime
    seed: int
    profile: str
    stack: str
    versions: Mapping[str, str] = field(default_factory=dict)
    mutant: str | None = None
    target: str = ""
    workers: int = 1
    shard: Shard | None = None
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Canary:
    """The mutant that must be detected as open; otherwise the run proves nothing."""

    mutant: str
    verdict: Verdict
    opened: tuple[str, ...] = ()
    reason: str = ""
    duration_s: float = 0.0

    @property
    def is_open(self) -> bool:
        """Whether the canary is open, as required."""
        return self.verdict is Verdict.OPEN

    def as_dict(self) -> dict[str, Any]:
        return {
            "mutant": self.mutant,
            "verdict": self.verdict.value,
            "ok": self.is_open,
            "opened": list(self.opened),
            "reason": self.reason,
            "duration_s": round(self.duration_s, 3),
        }
