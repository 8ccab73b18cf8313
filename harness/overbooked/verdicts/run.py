"""What a run was: its name and circumstances, which part of a suite, and its canary."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from overbooked.verdicts.verdict import Verdict


@dataclass(frozen=True, slots=True)
class Shard:
    """Which part of a suite a run was: the `index`-th (from 1) of `of`; merged: every index there is."""

    of: int
    present: tuple[int, ...]

    @property
    def missing(self) -> tuple[int, ...]:
        """The parts nobody has handed in."""
        return tuple(index for index in range(1, self.of + 1) if index not in self.present)

    def as_dict(self) -> dict[str, Any]:
        return {"of": self.of, "present": list(self.present), "missing": list(self.missing)}


@dataclass(frozen=True, slots=True)
class Run:
    """What a run was, before anything was judged.

    Args:
        id: its name, also its folder's.
        started_at: when, aware.
        seed: the one seed of everything random.
        profile: the profile's name.
        stack: the kind of stack: `embedded`, `containers` or `external`.
        versions: of everything that ran, by name.
        mutant: the seeded defect that was switched on; None: the system as it is.
        target: the name of the system under test.
        workers: how many scenarios ran side by side.
        shard: which part of a suite; None: the whole.
        options: what else was said on the command line and decides what is judged, e.g. `--config FILE`.
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
    """The mutant that must come out open, or the run proves nothing."""

    mutant: str
    verdict: Verdict
    opened: tuple[str, ...] = ()
    reason: str = ""
    duration_s: float = 0.0

    @property
    def sings(self) -> bool:
        """Whether it came out open, as it must."""
        return self.verdict is Verdict.OPEN

    def as_dict(self) -> dict[str, Any]:
        return {
            "mutant": self.mutant,
            "verdict": self.verdict.value,
            "ok": self.sings,
            "opened": list(self.opened),
            "reason": self.reason,
            "duration_s": round(self.duration_s, 3),
        }
