"""Ends of a run that are no verdict."""

from __future__ import annotations

from pathlib import Path

from overbooked.errors import ExitCode, HarnessError


class Interrupted(KeyboardInterrupt):
    """Somebody pressed Ctrl-C; what was judged by then is in a folder, marked incomplete."""

    def __init__(self, folder: Path, how_to_go_on: str = "") -> None:
        super().__init__()
        self.folder = folder
        self.how_to_go_on = how_to_go_on


class Refused(HarnessError):
    """A worker met what makes going on pointless; the code is that of the error it met."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.exit_code = ExitCode(code)
