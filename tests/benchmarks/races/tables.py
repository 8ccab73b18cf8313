"""The results of the trials, as figures and as a table."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from tests.benchmarks.races.trials import HEALTHY, Trial


@dataclass(frozen=True, slots=True)
class Share:
    """How often a method detected a mutant.

    Args:
        detected, trials: the number of trials that detected it, and of all trials.
        median_s: median time to the first detection over the detecting trials; None without any.
        applies: False if the method cannot be applied.
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
    """Return the shares by mutant and method, in order of the trials."""
    by_mutant: dict[str, list[Trial]] = {}
    for trial in trials:
        by_mutant.setdefault(trial.mutant, []).append(trial)
    return {
        mutant: {method: Share.of(those) for method, those in _by_method(all_of_it).items()}
        for mutant, all_of_it in by_mutant.items()
    }


def table(trials: Sequence[Trial], mutants: Sequence[str], methods: Sequence[str]) -> str:
    """Return a Markdown table of mutants by methods: detections per trials, and the median time to the first.

    With several mutants, the last row has the number of mutants that a method found in every trial.
    """
    found = shares(trials)
    none = Share(0, 0, None)
    rows = [
        [mutant, *(str(found.get(mutant, {}).get(method, none)) for method in methods)]
        for mutant in mutants
        if mutant in found
    ]
    if len(rows) > 1:
        rows.append(["always found", *(_always(found, method) for method in methods)])
    return _markdown([["mutant", *methods], *rows])


def healthy(trials: Iterable[Trial]) -> str:
    """Return the results on the healthy system, one line per method; "" without trials on it."""
    lines = []
    for method, those in _by_method(trial for trial in trials if trial.mutant == HEALTHY).items():
        hunts = [trial.hunt for trial in those if trial.hunt.applies]
        alarms = sum(hunt.detected for hunt in hunts)
        rounds = sum(hunt.rounds for hunt in hunts)
        undecided = sum(hunt.undecided for hunt in hunts)
        seconds = sum(hunt.seconds for hunt in hunts)
        lines.append(
            f"healthy, {method}: {alarms} false alarms in {len(hunts)} trials, {rounds} rounds, "
            f"{undecided} undecided, {seconds:.0f} s\n"
        )
    return "".join(lines)


def _by_method(trials: Iterable[Trial]) -> dict[str, list[Trial]]:
    sorted_out: dict[str, list[Trial]] = {}
    for trial in trials:
        sorted_out.setdefault(trial.method, []).append(trial)
    return sorted_out


def _always(found: Mapping[str, Mapping[str, Share]], method: str) -> str:
    tried = [those[method] for those in found.values() if method in those and those[method].trials]
    if not tried:
        return "not tried"
    return f"{sum(share.detected == share.trials for share in tried)} of {len(tried)}"


def _markdown(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        for row in rows
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines) + "\n"
