"""Walks a schedule by hand: each held statement of each actor is shown, and a person says who goes next."""

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
from overbooked.interleavings.scheduler.strategy import Choice
from overbooked.traces.layout import lines, short_name
from overbooked.traces.redaction import Redactor
from overbooked.traces.trace import Trace, TraceStep
from overbooked.wire.gate.boundary import Boundary

HELP = "the number of an actor lets him go; Enter goes on with the usual one; g goes on to the end; q quits"


# How soon a read that waits notices that it was given up, in seconds.
LOOK_S = 0.1


class Walked(HarnessError):
    """The person left before the schedule was over: nothing was judged."""


class Keyboard:
    """Lines of a file descriptor, read where it can be given up: a read that waits holds nobody else up.

    Args:
        descriptor: of a terminal, a pipe or a file; closed by `close`.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._read = b""
        self._over = threading.Event()
        self._reading = threading.Lock()

    def line(self) -> str | None:
        """The next line, stripped; None at the end of the file, or when it was given up."""
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
        """Give up whatever waits; safe to repeat."""
        self._over.set()
        with self._reading:
            if self._descriptor >= 0:
                os.close(self._descriptor)
                self._descriptor = -1


@contextmanager
def answers() -> Iterator[Callable[[], str | None]]:
    """Reads lines from standard input as it is now, before pytest takes it away; None at its end."""
    try:
        descriptor = os.dup(sys.__stdin__.fileno() if sys.__stdin__ else 0)
    except (OSError, ValueError):  # there is none
        descriptor = os.open(os.devnull, os.O_RDONLY)
    keyboard = Keyboard(descriptor)
    try:
        yield keyboard.line
    finally:
        keyboard.close()


class Walk:
    """Asks a person for each step of a schedule.

    Args:
        display: where the question is shown.
        read: the next line that the person types; None: there is none any more.
    """

    def __init__(self, display: Display, read: Callable[[], str | None]) -> None:
        self._display = display
        self._read = read
        self._redactor = Redactor()
        self._taken: tuple[int, ...] = ()
        self.quit = False

    @property
    def schedule(self) -> str:
        """What was taken so far, as `--schedule` takes it."""
        return ",".join(map(str, self._taken))

    async def choose(self, choice: Choice, so_far: Trace) -> int | None:
        """Show what happened and what is held, and ask; None: go on as usual to the end.

        Raises:
            Walked: the person quits, or nobody answers.
        """
        self._taken = so_far.schedule
        # Each run has ids of its own; counted anew, the same one reads the same.
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

    async def _asked(self, choice: Choice) -> int | None:
        while True:
            self._say(f"step {choice.number}: who goes? {self._options(choice)}")
            said = await _in_thread(self._read)
            if said is None or said in {"q", "quit"}:
                self.quit = True
                raise Walked(f"left at step {choice.number}: nothing was judged")
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
        """What happened so far, the latest of it; lanes are named by the numbers that are typed."""
        self._say("")
        numbered = replace(
            so_far, actors=tuple(replace(actor, name=str(n)) for n, actor in enumerate(so_far.actors))
        )
        drawn = ["".join(piece.text for piece in line) for line in lines(numbered, PLAIN_WIDTH)]
        for line in drawn[-len(so_far.actors) :] if so_far.steps else ():
            self._say(f"  {line}", style="cyan")

    def _options(self, choice: Choice) -> str:
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
    """A boundary that is still held, as a step whose answer is not yet known."""
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
    """Read without holding up the loop; a thread of its own, so that leaving never waits for a key."""
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
    except RuntimeError:  # the schedule is over, and its loop closed: nobody waits for the answer
        return
