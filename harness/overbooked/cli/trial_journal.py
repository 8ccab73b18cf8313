"""The journal of a run: one line per trial, appended when the trial ends."""

from __future__ import annotations

from pathlib import Path

from overbooked.errors import UsageError
from overbooked.runs.result import TrialResult

JOURNAL = "trials.jsonl"


class Journal:
    """A file of trial results, one per line; it stays readable if the run is interrupted at any moment."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def append(self, result: TrialResult) -> None:
        """Append one result. `read` ignores a last line that is incomplete."""
        with self._path.open("a", encoding="utf-8") as file:
            file.write(result.encode() + "\n")

    def read(self) -> list[TrialResult]:
        """Return the latest result of each trial; an incomplete last line is ignored.

        Raises:
            UsageError: a line is not a trial result.
        """
        if not self._path.exists():
            return []
        lines = self._path.read_text(encoding="utf-8").splitlines()
        found: dict[tuple[str, str], TrialResult] = {}
        for number, line in enumerate(lines, 1):
            try:
                result = TrialResult.decode(line)
            except (ValueError, KeyError, TypeError) as error:
                if number == len(lines):
                    break  # the run was killed during the write
                raise UsageError(f"{self._path}, line {number}: not a trial result: {error}") from error
            found[result.key] = result
        return list(found.values())
