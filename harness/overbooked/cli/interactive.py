"""Steps through a schedule: shows each actor's held statement and asks the user for the next actor."""

from __future__ import annotations

import asyncio
import os
import select
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from rich.text import Text

from overbooked.cli.display import PLAIN_WIDTH, Display
from overbooked.errors import HarnessError
from overbooked.interleavings.scheduler.strategy import SchedulingPoint
from overbooked.traces.layout import lines, short_name
from overbooked.traces.redaction import Redactor
from overbooked.traces.trace import Trace, TraceStep
from overbooked.wire.gate.boundary import Boundary

HELP = "the number of an actor schedules it; Enter avoids a preemption; g continues to the end; q quits"


# Interval in which a blocked read checks for cancellation, in seconds.
LOOK_S = 0.1


class UserQuit(HarnessError):
    """The user quit before the end of the schedule; nothing was judged."""


class LineReader:
    """Lines of a file descriptor; a blocked read can be cancelled.

    Args:
        descriptor: the descriptor of a terminal, pipe or file; `close` closes it.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._read = b""
        self._over = threading.Event()
        self._reading = threading.Lock()

    def line(self) -> str | None:
        """Return the next line, stripped; None at the end of the file or after cancellation."""
        with self._reading:
            while b"\n" not in self._read:
                if self._over.is_set():
                    return None
                if not select.select([self._descriptor], [], [], LOOK_S)[0]:
                    continue
                more = os.read(self._descriptor, 4096)
                if not more:
                    last, self._read = self._read, b""
                    return last.decode("utf-8", "replace").strip() if last else None
                self._read += more
            said, _, self._read = self._read.partition(b"\n")
            return said.decode("utf-8", "replace").strip()

    def close(self) -> None:
        """Cancel a blocked read and close the descriptor; idempotent."""
        self._over.set()
        with self._reading:
            if self._descriptor >= 0:
                os.close(self._descriptor)
                self._descriptor = -1


@contextmanager
def answers() -> Iterator[Callable[[], str | None]]:
    """Yield a function that reads lines from the current stdin, before pytest replaces it; None at its
    end."""
    try:
        descriptor = os.dup(sys.__stdin__.fileno() if sys.__stdin__ else 0)
    except (OSError, ValueError):  # there is no stdin
        descriptor = os.open(os.devnull, os.O_RDONLY)
    keyboard = LineReader(descriptor)
    try:
        yield keyboard.line
    finally:
        keyboard.close()


class InteractiveStepper:
    """Asks the user for each step of a schedule.

    Args:
        display: shows the questions.
        read: returns the next line of input; None at its end.
    """

    def __init__(self, display: Display, read: Callable[[], str | None]) -> None:
        self._display = display
        self._read = read
        self._redactor = Redactor()
        self._taken: tuple[int, ...] = ()
        self.quit = False

    @property
    def schedule(self) -> str:
        """The schedule so far, in the format of `--schedule`."""
        return ",".join(map(str, self._taken))

    async def choose(self, choice: SchedulingPoint, so_far: Trace) -> int | None:
        """Show the trace and the held statements, and ask; None: continue without preemptions to the end.

        Raises:
            UserQuit: the user quits, or the input has ended.
        """
        self._taken = so_far.schedule
        # Ids differ between runs; a new redactor gives equal placeholders in each run.
        self._redactor = Redactor()
        self._show_lanes(self._redactor.trace(so_far))
        for actor in choice.enabled:
            mark = "*" if actor == choice.usual else " "
            self._say(f" {mark}{actor}  {self._what(choice.held[actor])}", style="bold")
            self._say(f"      {self._text(choice.held[actor])}", style="dim")
        chosen = await self._asked(choice)
        if chosen is not None:
            self._taken = (*so_far.schedule, chosen)
        return chosen

    async def _asked(self, choice: SchedulingPoint) -> int | None:
        while True:
            self._say(f"step {choice.number}: which actor next? {self._options(choice)}")
            said = await _in_thread(self._read)
            if said is None or said in {"q", "quit"}:
                self.quit = True
                raise UserQuit(f"left at step {choice.number}: nothing was judged")
            if said in {"g", "go"}:
                return None
            if said == "":
                return choice.usual
            if said.isdecimal() and int(said) in choice.enabled:
                return int(said)
            self._say(
                HELP if said in {"?", "h", "help"} else f"{said!r} cannot go now; {HELP}", style="yellow"
            )

    def _show_lanes(self, so_far: Trace) -> None:
        """Show the latest part of the trace; lanes are named by actor numbers."""
        self._say("")
        numbered = replace(
            so_far, actors=tuple(replace(actor, name=str(n)) for n, actor in enumerate(so_far.actors))
        )
        drawn = ["".join(piece.text for piece in line) for line in lines(numbered, PLAIN_WIDTH)]
        for line in drawn[-len(so_far.actors) :] if so_far.steps else ():
            self._say(f"  {line}", style="cyan")

    def _options(self, choice: SchedulingPoint) -> str:
        numbers = "/".join(map(str, choice.enabled))
        return f"[{numbers}, Enter {choice.usual}, g, q, ?]"

    def _what(self, boundary: Boundary) -> str:
        where = boundary.link.removeprefix("app->")
        return f"{short_name(as_step(boundary, 0)):32} {where} #{boundary.connection}"

    def _text(self, boundary: Boundary) -> str:
        step = self._redactor.step(as_step(boundary, 0))
        values = ", ".join("NULL" if value is None else value for value in step.values)
        return f"{' '.join(step.text.split())}{f'   [{values}]' if values else ''}"

    def _say(self, text: str, *, style: str = "") -> None:
        self._display.line(Text(text, style=style))


def as_step(boundary: Boundary, actor: int) -> TraceStep:
    """Return a held boundary as a step without an answer."""
    return TraceStep(
        actor=actor,
        link=boundary.link,
        protocol=boundary.protocol.value,
        connection=boundary.connection,
        verb=boundary.verb,
        text=boundary.text,
        shape=boundary.shape,
        values=boundary.values,
    )


async def _in_thread(read: Callable[[], str | None]) -> str | None:
    """Read in a separate thread, so that neither the event loop nor quitting waits for input."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[str | None] = loop.create_future()

    def tell(said: str | None) -> None:
        if not answer.done():
            answer.set_result(said)

    def ask() -> None:
        try:
            said = read()
        except (OSError, ValueError):
            said = None
        with _ignoring_closed_loops():
            loop.call_soon_threadsafe(tell, said)

    threading.Thread(target=ask, name="keyboard", daemon=True).start()
    return await answer


@contextmanager
def _ignoring_closed_loops() -> Iterator[None]:
    try:
        yield
    except RuntimeError:  # the schedule has ended and its loop is closed, so the answer is not needed
        return
