"""Commands on a terminal: folded so that what is printed can be typed, or copied, as it stands."""

from __future__ import annotations

import re

from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

_WORD = re.compile(r"(?:'[^']*'|[^\s'])+")


class Command:
    """A command of one line, or of several that a shell reads as one.

    Args:
        text: the command, quoted as a shell wants it.
    """

    def __init__(self, text: str) -> None:
        self.text = text

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield Text(folded(self.text, options.max_width), style="dim", no_wrap=True, overflow="ignore")


def folded(command: str, width: int) -> str:
    """The command in lines of at most `width` characters, where its words allow; all but the last go on."""
    lines = [""]
    for word in _WORD.findall(command):
        room = width - 2 - len(lines[-1])
        if lines[-1] and len(word) + 1 > room:
            lines.append(f"  {word}")
        else:
            lines[-1] = f"{lines[-1]} {word}" if lines[-1] else word
    return " \\\n".join(lines)
