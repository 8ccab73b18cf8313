"""What people see while something runs: lines, and on a terminal a status that moves."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console, RenderableType
from rich.live import Live
from rich.text import Text

PLAIN_WIDTH = 120
PER_SECOND = 4


def _print(console: Console, what: RenderableType) -> None:
    # A sentence is left to whoever shows it; a table is laid out here.
    console.print(what, highlight=False, markup=False, soft_wrap=isinstance(what, Text))


class Display(Protocol):
    """Where progress is shown."""

    def line(self, what: RenderableType) -> None:
        """A line that stays."""

    def status(self, text: str) -> None:
        """What is going on now; replaces what was said before."""


class Plain:
    """Lines only; for files, pipes and CI."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def line(self, what: RenderableType) -> None:
        _print(self._console, what)

    def status(self, text: str) -> None:
        """Nothing: what moves is for terminals."""


class Moving:
    """Lines that scroll over one status line, which a thread redraws."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._text = ""
        self._since = time.monotonic()
        self.live = Live(
            console=console,
            get_renderable=self._render,
            refresh_per_second=PER_SECOND,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )

    def line(self, what: RenderableType) -> None:
        _print(self._console, what)

    def status(self, text: str) -> None:
        self._text = text

    def _render(self) -> RenderableType:
        elapsed = int(time.monotonic() - self._since)
        clock = f"{elapsed // 60}:{elapsed % 60:02d}"
        return Text(f"{clock}  {self._text}", style="dim", no_wrap=True, overflow="ellipsis")


@contextmanager
def displayed() -> Iterator[Display]:
    """A display on stderr, which stays open while pytest captures the process's own.

    On a terminal it moves, elsewhere it is plain; `NO_COLOR` and `TERM=dumb` are heeded.
    """
    with os.fdopen(os.dup(sys.__stderr__.fileno() if sys.__stderr__ else 2), "w", encoding="utf-8") as stream:
        console = console_on(stream)
        if not console.is_terminal or console.is_dumb_terminal:
            yield Plain(console)
            return
        moving = Moving(console)
        with moving.live:
            yield moving


@contextmanager
def plainly() -> Iterator[Display]:
    """A display on stderr whose lines stay where they are, for a conversation."""
    with os.fdopen(os.dup(sys.__stderr__.fileno() if sys.__stderr__ else 2), "w", encoding="utf-8") as stream:
        yield Plain(console_on(stream))


def console_on(stream: object) -> Console:
    """A console that is wide enough for a line a gap where nobody says how wide it is."""
    console = Console(file=stream)  # type: ignore[arg-type]
    if not console.is_terminal:
        return Console(file=stream, width=PLAIN_WIDTH)  # type: ignore[arg-type]
    return console


def stderr_console() -> Console:
    """A console on stderr."""
    return console_on(sys.stderr)


def stdout_console() -> Console:
    """A console on stdout, for what was asked for."""
    return console_on(sys.stdout)
