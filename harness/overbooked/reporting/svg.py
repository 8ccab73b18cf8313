"""The scorecard as a picture (SVG): what the terminal shows, for a page or a slide."""

from __future__ import annotations

import io
import re
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.terminal_theme import MONOKAI

from overbooked.reporting.console import print_scorecard
from overbooked.verdicts.policy import Decision
from overbooked.verdicts.scorecard import Scorecard

WIDTH = 132
# Rich's picture fetches its font from a public host; ours asks nobody for anything.
_FORMAT = re.sub(r"@font-face \{\{.*?\}\}\s*", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)


def picture(
    scorecard: Scorecard, decision: Decision | None = None, folder: Path | None = None, *, width: int = WIDTH
) -> str:
    """An SVG document of the whole scorecard, self-contained.

    Args:
        scorecard: of the run.
        decision: of the gate policy.
        folder: where the reports are, as it is to be shown.
        width: characters a line.
    """
    console = Console(
        width=width, record=True, file=io.StringIO(), force_terminal=True, color_system="truecolor"
    )
    print_scorecard(console, scorecard, decision, folder)
    return console.export_svg(
        title="overbooked run", theme=MONOKAI, code_format=_FORMAT, unique_id="overbooked"
    )
