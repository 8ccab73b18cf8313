"""Printing on a terminal, or as plain lines where there is none."""

from __future__ import annotations

import io

from rich.console import Console, RenderableType
from rich.text import Text

# Wide enough that no line of a report is cut in a log file.
PLAIN_WIDTH = 150


def show(console: Console, what: RenderableType) -> None:
    """Print as wide as the terminal and in colour; elsewhere as wide as it likes, without either."""
    if console.is_terminal:
        console.print(what, highlight=False)
        return
    page = Console(file=io.StringIO(), width=PLAIN_WIDTH, color_system=None, emoji=False)
    with page.capture() as capture:
        page.print(what, highlight=False)
    for line in capture.get().splitlines():
        console.print(Text(line.rstrip()), soft_wrap=True, highlight=False)
