"""Displays of a running command: lines and, on a terminal, a live status line."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import inf
from typing import Protocol, TextIO

from rich.console import Console, RenderableType
from rich.live import Live
from rich.text import Text

from overbooked.cli.terminal import pipe_safe
from overbooked.reporting.terminal import laid_out

PLAIN_WIDTH = 120
PER_SECOND = 4
QUIET_S = 60.0


def _print(console: Console, what: RenderableType) -> None:
    # A sentence is laid out by the display that shows it; a table is laid out here.
    for line in [what] if isinstance(what, Text) else laid_out(console, what):
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def _elapsed(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


class Display(Protocol):
    """Shows lines and a status."""

    def line(self, what: RenderableType) -> None:
        """Print a permanent line."""

    def status(self, text: str) -> None:
        """Show the current status; it replaces the previous one."""


class PlainDisplay:
    """Lines only; for files, pipes and CI.

    Args:
        quiet_s: seconds without output after which the status is printed as a line, because users and CI
            assume that a silent process hangs.
        clock: returns the time in seconds.
    """

    def __init__(
        self, console: Console, *, quiet_s: float = QUIET_S, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._console = console
        self._quiet_s = quiet_s
        self._clock = clock
        self._since = self._said = clock()

    def line(self, what: RenderableType) -> None:
        self._said = self._clock()
        _print(self._console, what)

    def status(self, text: str) -> None:
        """Print the status as a line if nothing was printed for `quiet_s` seconds."""
        if self._clock() - self._said >= self._quiet_s:
            self.line(Text(f"{_elapsed(self._clock() - self._since)}  {text}", style="dim"))


class LiveDisplay:
    """Lines that scroll above one status line, which a thread redraws."""

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
        clock = _elapsed(time.monotonic() - self._since)
        return Text(f"{clock}  {self._text}", style="dim", no_wrap=True, overflow="ellipsis")


@contextmanager
def _own_stderr() -> Iterator[TextIO]:
    with os.fdopen(os.dup(sys.__stderr__.fileno() if sys.__stderr__ else 2), "w", encoding="utf-8") as stream:
        yield pipe_safe(stream)


@contextmanager
def open_display() -> Iterator[Display]:
    """Open a display on a duplicate of stderr, which works while pytest captures stderr.

    It is live on a terminal and plain elsewhere; `NO_COLOR` and `TERM=dumb` are respected.
    """
    with _own_stderr() as stream:
        console = console_on(stream)
        if not console.is_terminal or console.is_dumb_terminal:
            yield PlainDisplay(console)
            return
        moving = LiveDisplay(console)
        with moving.live:
            yield moving


@contextmanager
def plain_display() -> Iterator[Display]:
    """Open a display on stderr without a live status line, for a dialogue."""
    with _own_stderr() as stream:
        yield PlainDisplay(console_on(stream), quiet_s=inf)


def console_on(stream: object) -> Console:
    """Return a console; if the width is unknown, it is wide enough for one line per gap."""
    console = Console(file=stream)  # type: ignore[arg-type]
    if not console.is_terminal:
        return Console(file=stream, width=PLAIN_WIDTH)  # type: ignore[arg-type]
    return console


def stderr_console() -> Console:
    """Return a console on stderr."""
    return console_on(sys.stderr)


def stdout_console() -> Console:
    """Return a console on stdout, for the requested output."""
    return console_on(sys.stdout)
