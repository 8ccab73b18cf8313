"""The file of results: every trial so far, so that a long run can be continued."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterable, Sequence
from pathlib import Path

from tests.benchmarks.races.jobs import EXPLORATION
from tests.benchmarks.races.trials import Trial

VERSION = 1


class Results:
    """Trials, stored in a file if one is named; the file is rewritten after each trial.

    Raises:
        ValueError: the file exists and has no results of this version.
    """

    def __init__(self, file: Path | None = None, trials: Iterable[Trial] = ()) -> None:
        self._file = file
        self._trials = {trial.key: trial for trial in trials}
        if file is not None and file.exists():
            self._trials |= {trial.key: trial for trial in _read(file)}

    @property
    def trials(self) -> Sequence[Trial]:
        return list(self._trials.values())

    def add(self, trial: Trial) -> None:
        """Store a trial."""
        self._trials[trial.key] = trial
        if self._file is not None:
            document = {
                "races": VERSION,
                "python": platform.python_version(),
                "trials": [one.as_json() for one in self._trials.values()],
            }
            scratch = self._file.with_name(f".{self._file.name}.part")
            scratch.write_text(json.dumps(document, indent=1), encoding="utf-8")
            scratch.replace(self._file)

    def missing(self, mutant: str, methods: Sequence[str], trials: int) -> dict[int, tuple[str, ...]]:
        """Return, for each trial of a mutant, the methods that have not run in it."""
        left = {
            number: tuple(method for method in methods if (mutant, method, number) not in self._trials)
            for number in range(trials)
        }
        return {number: them for number, them in left.items() if them}

    def explored_s(self, mutant: str) -> dict[int, float]:
        """Return the seconds in which exploration found a mutant, by trial."""
        return {
            trial.number: trial.hunt.seconds
            for trial in self._trials.values()
            if trial.mutant == mutant and trial.method == EXPLORATION and trial.hunt.detected
        }


def _read(file: Path) -> list[Trial]:
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
        if document["races"] != VERSION:
            raise ValueError(f"wanted version {VERSION}, found {document['races']}")
        return [Trial.of_json(one) for one in document["trials"]]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{file} cannot be gone on with: {error!r}; name another file") from error
