"""The first Ctrl-C ends the work, the next ones wait until it is cleaned up.

A worker under xdist gets the terminal's Ctrl-C as well as its controller; it leaves it alone and
waits for the controller's word (SIGTERM), which also comes when the controller is killed.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

_PR_SET_PDEATHSIG = 1
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

requested = False
_task: asyncio.Task[Any] | None = None


def request() -> None:
    """End the work: cancel the scenario that runs on this thread's loop, else raise.

    Raises:
        KeyboardInterrupt: no scenario runs on a loop.
    """
    global requested  # noqa: PLW0603 - signals are of the process
    requested = True
    if _task is not None and not _task.done():
        _task.get_loop().call_soon_threadsafe(_task.cancel)
        return
    raise KeyboardInterrupt


@contextmanager
def cancels(task: asyncio.Task[Any]) -> Iterator[None]:
    """While in the block an interrupt cancels this task instead of raising wherever it strikes."""
    global _task  # noqa: PLW0603
    before, _task = _task, task
    try:
        yield
    finally:
        _task = before


@contextmanager
def unwinding() -> Iterator[None]:
    """In a coroutine: an interrupt cancels it where it waits, and leaves it as KeyboardInterrupt.

    Raises:
        KeyboardInterrupt: it was interrupted; what it had begun has been undone on the way.
    """
    task = asyncio.current_task()
    if task is None:
        raise RuntimeError("unwinding() is for coroutines")
    try:
        with cancels(task):
            yield
    except asyncio.CancelledError:
        if requested:
            raise KeyboardInterrupt from None
        raise


@contextmanager
def first_one_counts(again: Callable[[], None]) -> Iterator[None]:
    """SIGINT, SIGTERM and SIGHUP end the work once; what comes after calls `again`.

    Args:
        again: says that cleaning up is under way.
    """
    global requested  # noqa: PLW0603
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def strike(_signum: int, _frame: FrameType | None) -> None:
        if requested:
            again()
        else:
            request()

    requested = False
    before = {number: signal.signal(number, strike) for number in _SIGNALS}
    try:
        yield
    finally:
        # An interruption belongs to the work in the block: a later cancellation is not one of its making.
        requested = False
        for number, handler in before.items():
            signal.signal(number, handler)


def note_only() -> None:
    """Take note of being told to end and go on: what is going on is the cleaning up."""

    def note(_signum: int, _frame: FrameType | None) -> None:
        global requested  # noqa: PLW0603
        requested = True

    for number in _SIGNALS:
        signal.signal(number, note)


def dismiss() -> None:
    """Nothing is left to clean up: end now if that was asked, else at once when it is."""
    if requested:
        os._exit(2)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    if requested:  # it came in between
        os._exit(2)


@contextmanager
def children_born_deaf() -> Iterator[None]:
    """Processes that are started in the block do not hear SIGINT until they call `obey`.

    This one still does when it has other threads: a signal goes to whichever thread listens.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def obey(controller: int) -> None:
    """Make this worker end, cleanly, on its controller's word or death, and on nothing else.

    Args:
        controller: process id of the controller, this process's parent.
    """

    def strike(signum: int, _frame: FrameType | None) -> None:
        if requested or (signum == signal.SIGINT and os.getppid() == controller):
            return
        request()

    for number in _SIGNALS:
        signal.signal(number, strike)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != controller:
        request()
