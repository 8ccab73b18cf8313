"""What came of the trials, in figures and as a table."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tests.benchmarks.races.trials import Trial


@dataclass(frozen=True, slots=True)
class Share:
    """How often a method detected a mutant.

    Args:
        detected, trials: of so many.
        median_s: to the first detection, over the trials that detected it; None: none did.
        applies: False where the method cannot be applied.
    """

    detected: int
    trials: int
    median_s: float | None
    applies: bool = True

    @classmethod
    def of(cls, trials: Sequence[Trial]) -> Share:
        applied = [trial for trial in trials if trial.hunt.applies]
        found = [trial.hunt.seconds for trial in applied if trial.hunt.detected]
        return cls(
            len(found), len(applied), statistics.median(found) if found else None, bool(applied or not trials)
        )

    def __str__(self) -> str:
        if not self.applies:
            return "does not apply"
        if not self.trials:
            return "not tried"
        took = "" if self.median_s is None else f", {self.median_s:.2f} s"
        return f"{self.detected}/{self.trials}{took}"


def shares(trials: Iterable[Trial]) -> dict[str, dict[str, Share]]:
    """By mutant and method, in the order they come."""
    sorted_out: dict[str, dict[str, list[Trial]]] = {}
    for trial in trials:
        sorted_out.setdefault(trial.mutant, {}).setdefault(trial.method, []).append(trial)
    return {
        mutant: {method: Share.of(those) for method, those in methods.items()}
        for mutant, methods in sorted_out.items()
    }


def table(trials: Sequence[Trial], mutants: Sequence[str], methods: Sequence[str]) -> str:
    """Mutants by methods, as Markdown: detected of trials, and the median time to the first detection."""
    found = shares(trials)
    none = Share(0, 0, None)
    rows = [
        [mutant, *(str(found.get(mutant, {}).get(method, none)) for method in methods)]
        for mutant in mutants
        if mutant in found
    ]
    return _markdown([["mutant", *methods], *rows])


def _markdown(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        for row in rows
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines) + "\n"
