"""The progress of a session: running trials, completed trials, and the estimated remaining time."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from overbooked.runs.collected import CollectedTrial
from overbooked.runs.result import TrialResult


@dataclass(slots=True)
class Progress:
    """Counts of one session.

    Args:
        workers: number of trials that run concurrently, for the estimate.
        weights: expected seconds by scenario, if known.
    """

    workers: int
    weights: Mapping[str, float] = field(default_factory=dict)
    _waiting: dict[tuple[str, str], CollectedTrial] = field(default_factory=dict)
    _running: dict[tuple[str, str], CollectedTrial] = field(default_factory=dict)
    _done: int = 0
    _spent_s: float = 0.0
    _expected_s: float = 0.0
    _since: float = field(default_factory=time.monotonic)

    def expect(self, trials: Mapping[str, CollectedTrial]) -> None:
        """Record the trials that will run."""
        self._waiting = {trial.key: trial for trial in trials.values()}

    def start(self, trial: CollectedTrial) -> None:
        """Record that a trial has started."""
        self._running[trial.key] = trial

    def end(self, result: TrialResult) -> None:
        """Record that a trial has ended."""
        self._running.pop(result.key, None)
        if self._waiting.pop(result.key, None):
            self._done += 1
            self._spent_s += result.duration_s
            self._expected_s += self._weight(result.scenario)

    @property
    def done(self) -> int:
        return self._done

    @property
    def total(self) -> int:
        return self._done + len(self._waiting)

    def left_s(self) -> float | None:
        """Return the estimated remaining seconds, scaled by the pace so far; None: unknown."""
        if not self._done or not self._waiting:
            return None
        pace = self._spent_s / self._expected_s if self._expected_s else 1.0
        rest = sum(self._weight(trial.scenario) for trial in self._waiting.values())
        return rest * pace / max(1, self.workers)

    def sentence(self) -> str:
        """Return the progress in one line."""
        parts = [f"{self._done} of {self.total}"] if self.total else ["starting"]
        left = self.left_s()
        if left is not None:
            parts.append(f"about {_clock(left)} left")
        names = [f"{_short(trial.scenario)} [{trial.trial.id}]" for trial in self._running.values()]
        return "   ".join([*parts, ", ".join(names)]).rstrip()

    def _weight(self, scenario: str) -> float:
        return self.weights.get(scenario) or (self._spent_s / self._done if self._done else 5.0)


def _short(scenario: str) -> str:
    return scenario.rpartition("::")[2].removeprefix("test_").replace("_", " ")


def _clock(seconds: float) -> str:
    whole = round(seconds)
    return f"{whole // 60}:{whole % 60:02d}"
