"""What people see while something runs: lines, and on a terminal a status that moves."""

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

from overbooked.cli.lasting import lasting
from overbooked.reporting.terminal import laid_out

PLAIN_WIDTH = 120
PER_SECOND = 4
QUIET_S = 60.0


def _print(console: Console, what: RenderableType) -> None:
    # A sentence is left to whoever shows it; a table is laid out here.
    for line in [what] if isinstance(what, Text) else laid_out(console, what):
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def _elapsed(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


class Display(Protocol):
    """Where progress is shown."""

    def line(self, what: RenderableType) -> None:
        """A line that stays."""

    def status(self, text: str) -> None:
        """What is going on now; replaces what was said before."""


class Plain:
    """Lines only; for files, pipes and CI.

    Args:
        quiet_s: after so many seconds without a line the status is one: what says nothing for long is
            taken for dead, by people and by CI.
        clock: the time in seconds.
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
        """A line now and then: what moves is for terminals."""
        if self._clock() - self._said >= self._quiet_s:
            self.line(Text(f"{_elapsed(self._clock() - self._since)}  {text}", style="dim"))


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
        clock = _elapsed(time.monotonic() - self._since)
        return Text(f"{clock}  {self._text}", style="dim", no_wrap=True, overflow="ellipsis")


@contextmanager
def _own_stderr() -> Iterator[TextIO]:
    with os.fdopen(os.dup(sys.__stderr__.fileno() if sys.__stderr__ else 2), "w", encoding="utf-8") as stream:
        yield lasting(stream)


@contextmanager
def displayed() -> Iterator[Display]:
    """A display on stderr, which stays open while pytest captures the process's own.

    On a terminal it moves, elsewhere it is plain; `NO_COLOR` and `TERM=dumb` are heeded.
    """
    with _own_stderr() as stream:
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
    with _own_stderr() as stream:
        yield Plain(console_on(stream), quiet_s=inf)


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
