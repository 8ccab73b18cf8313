"""Prints commands folded so that the text can be copied and run."""

from __future__ import annotations

import re

from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

_WORD = re.compile(r"(?:'[^']*'|[^\s'])+")


class Command:
    """A shell command, printed on one line or on several continued lines.

    Args:
        text: the command, quoted for a shell.
    """

    def __init__(self, text: str) -> None:
        self.text = text

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield Text(folded(self.text, options.max_width), style="dim", no_wrap=True, overflow="ignore")


def folded(command: str, width: int) -> str:
    """Fold a command at word ends into lines of `width` characters, each continued with a backslash."""
    lines = [""]
    for word in _WORD.findall(command):
        room = width - 2 - len(lines[-1])
        if lines[-1] and len(word) + 1 > room:
            lines.append(f"  {word}")
        else:
            lines[-1] = f"{lines[-1]} {word}" if lines[-1] else word
    return " \\\n".join(lines)
