"""Printing on a terminal, or as plain lines elsewhere."""

from __future__ import annotations

import io
from collections.abc import Iterator

from rich.console import Console, RenderableType
from rich.text import Text

# Wide enough that no line of a report is cut in a log file.
PLAIN_WIDTH = 150


def laid_out(console: Console, what: RenderableType) -> Iterator[Text]:
    """The lines of a renderable at the console's width, without trailing blanks.

    The backslash of a continued command is then the last character of its line.
    """
    for segments in console.render_lines(what, pad=False):
        line = Text.assemble(*((each.text, each.style or "") for each in segments if not each.control))
        line.rstrip()
        yield line


def show(console: Console, what: RenderableType) -> None:
    """Print in colour at the terminal's width; without a terminal, plain text of up to PLAIN_WIDTH."""
    if console.is_terminal:
        for laid in laid_out(console, what):
            console.print(laid, highlight=False, soft_wrap=True)
        return
    page = Console(file=io.StringIO(), width=PLAIN_WIDTH, color_system=None, emoji=False)
    with page.capture() as capture:
        page.print(what, highlight=False)
    for line in capture.get().splitlines():
        console.print(Text(line.rstrip()), soft_wrap=True, highlight=False)
