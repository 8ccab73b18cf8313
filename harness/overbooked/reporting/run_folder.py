"""The folder of one run under `reports/out`: written atomically, published when complete."""

from __future__ import annotations

import contextlib
import json
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from overbooked.atomic_write import CannotWrite, cannot_write, write_whole
from overbooked.errors import UsageError
from overbooked.verdicts.scorecard import Scorecard
from overbooked.verdicts.scorecard_reader import parse_scorecard

SCORECARD = "scorecard.json"
# Free space that a run needs at least: the output of a small run.
_ROOM_BYTES = 256 * 1024
LATEST = "latest"


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The folder for the output of one run: `reports/out/RUN/`."""

    path: Path

    @property
    def run(self) -> str:
        """The run's id, which is the folder's name."""
        return self.path.name

    @classmethod
    def create(cls, reports: Path) -> RunFolder:
        """Create the folder of a new run, with a unique id, and check that there is space.

        Raises:
            CannotWrite: the message names the folder and the reason.
        """
        try:
            reports.mkdir(parents=True, exist_ok=True)
            digits = 4
            while True:
                path = reports / secrets.token_hex(digits // 2)
                try:
                    path.mkdir()
                except FileExistsError:
                    digits = min(digits + 2, 16)
                else:
                    break
        except OSError as error:
            raise cannot_write(reports, error) from error
        folder = cls(path)
        try:
            folder.write_text(".room", " " * _ROOM_BYTES).unlink()
        except CannotWrite:
            with contextlib.suppress(OSError):
                path.rmdir()
            raise
        return folder

    def write(self, scorecard: Scorecard) -> Path:
        """Write scorecard.json atomically, on one line during the run because that is faster."""
        if scorecard.complete or scorecard.aborted:
            return self.write_json(SCORECARD, scorecard.as_dict())
        return self.write_text(
            SCORECARD, json.dumps(scorecard.as_dict(), ensure_ascii=False, default=str) + "\n"
        )

    def publish(self, scorecard: Scorecard) -> Path:
        """Write the scorecard; if it is complete and no shard is missing, point `latest` at this folder."""
        path = self.write(scorecard)
        shard = scorecard.run.shard
        if scorecard.complete and not (shard and shard.missing):
            link = self.path.parent / LATEST
            scratch = self.path.parent / f".{LATEST}.{self.run}"
            try:
                scratch.unlink(missing_ok=True)
                scratch.symlink_to(self.run, target_is_directory=True)
                scratch.replace(link)
            except OSError as error:
                raise cannot_write(link, error) from error
        return path

    def write_json(self, name: str, data: Any) -> Path:
        """Write a JSON file of this folder atomically."""
        return self.write_text(name, json.dumps(data, indent=1, ensure_ascii=False, default=str) + "\n")

    def write_text(self, name: str, text: str) -> Path:
        """Write a text file of this folder atomically.

        Raises:
            CannotWrite: the message names the file and the reason; an existing file is unchanged.
        """
        return write_whole(self.path / name, text)


def find_scorecard(said: Path, reports: Path) -> Path:
    """Find a scorecard by its file, its run's folder, its run's id, or `latest`.

    Args:
        said: the value from the command line.
        reports: the folder of runs.

    Raises:
        UsageError: there is none.
    """
    for place in (said, reports / said):
        for path in (place, place / SCORECARD):
            if path.is_file():
                return path
    raise UsageError(
        f"no scorecard at {said}, nor in {reports / said}; name a scorecard.json, a run's folder or its id"
    )


def load_scorecard(path: Path) -> Scorecard:
    """The scorecard of a file.

    Raises:
        UsageError: the file cannot be read.
        BadScorecard: the file is not a scorecard, or has an unsupported version.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: the scorecard cannot be read: {error}") from error
    return parse_scorecard(text, str(path))
