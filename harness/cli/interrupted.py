"""An interruption that left something worth naming."""

from __future__ import annotations

from pathlib import Path


class Interrupted(KeyboardInterrupt):
    """Somebody pressed Ctrl-C; what was judged by then is in a folder, marked incomplete."""

    def __init__(self, folder: Path, how_to_go_on: str = "") -> None:
        super().__init__()
        self.folder = folder
        self.how_to_go_on = how_to_go_on
