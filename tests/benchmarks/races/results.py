"""The results' file: every trial so far, so that a long run can be gone on with."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterable, Sequence
from pathlib import Path

from tests.benchmarks.races.jobs import EXPLORATION
from tests.benchmarks.races.trials import Trial

VERSION = 1


class Results:
    """Trials, kept in a file if one is named; it is written anew with each.

    Raises:
        ValueError: the file is there and holds no results of this version.
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
        """Keep a trial."""
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
        """For each trial of a mutant the methods that have not been tried in it."""
        left = {
            number: tuple(method for method in methods if (mutant, method, number) not in self._trials)
            for number in range(trials)
        }
        return {number: them for number, them in left.items() if them}

    def explored_s(self, mutant: str) -> dict[int, float]:
        """How long exploration took to find a mutant, by trial."""
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
