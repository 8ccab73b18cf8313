"""Renders lanes on a terminal, in its width and, if supported, in colour."""

from __future__ import annotations

from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from overbooked.traces.layout import CellKind, LaneChunk, legend, lines
from overbooked.traces.trace import Trace

_LANES = ("cyan", "magenta", "green", "blue", "yellow")


class LanesOnTerminal:
    """A rich renderable that draws the lanes of a trace in the width of the console.

    Args:
        trace: the trace to draw.
        indent: number of blanks before each line.
    """

    def __init__(self, trace: Trace, *, indent: int = 2) -> None:
        self._trace = trace
        self._indent = indent

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for line in lines(self._trace, options.max_width - self._indent):
            text = Text(" " * self._indent, no_wrap=True, overflow="crop", end="")
            for piece in line:
                text.append(piece.text, style=_style(piece))
            yield text
            yield Text("")
        if said := legend(self._trace):
            yield Text(" " * self._indent + said, style="dim")


def _style(piece: LaneChunk) -> str:
    if piece.name_of is not None:
        return f"bold {_LANES[piece.name_of % len(_LANES)]}"
    cell = piece.cell
    if cell is None:
        return ""
    if cell.kind is CellKind.WAIT:
        return "dim yellow"
    if cell.failed:
        return "red"
    if cell.kind is CellKind.ANSWER:
        return "bold"
    return f"reverse {_LANES[cell.lane % len(_LANES)]}" if cell.preempts else _LANES[cell.lane % len(_LANES)]
