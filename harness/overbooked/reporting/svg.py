"""The scorecard as an SVG image of the terminal output."""

from __future__ import annotations

import io
import re
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.terminal_theme import MONOKAI

from overbooked.reporting.console_report import print_scorecard
from overbooked.verdicts.policy import Decision
from overbooked.verdicts.scorecard import Scorecard

WIDTH = 132
# Rich's SVG loads its font from a public host; remove that, so the image is self-contained.
_FORMAT = re.sub(r"@font-face \{\{.*?\}\}\s*", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)


def picture(
    scorecard: Scorecard, decision: Decision | None = None, folder: Path | None = None, *, width: int = WIDTH
) -> str:
    """Return a self-contained SVG document of the whole scorecard.

    Args:
        scorecard: the scorecard of the run.
        decision: the decision of the gate policy.
        folder: the folder of the reports, as displayed.
        width: characters per line.
    """
    console = Console(
        width=width, record=True, file=io.StringIO(), force_terminal=True, color_system="truecolor"
    )
    print_scorecard(console, scorecard, decision, folder)
    return console.export_svg(
        title="overbooked run", theme=MONOKAI, code_format=_FORMAT, unique_id="overbooked"
    )
