"""The first Ctrl-C ends the work; further ones are ignored until the cleanup is complete.

Both an xdist worker and its controller receive the terminal's Ctrl-C. The worker ignores it and waits for the
controller's SIGTERM; the kernel sends SIGTERM if the controller is killed.
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
    global requested  # noqa: PLW0603 - signals are process-wide
    requested = True
    if _task is not None and not _task.done():
        _task.get_loop().call_soon_threadsafe(_task.cancel)
        return
    raise KeyboardInterrupt


@contextmanager
def cancels(task: asyncio.Task[Any]) -> Iterator[None]:
    """Within the block an interrupt cancels this task instead of raising at an arbitrary place."""
    global _task  # noqa: PLW0603
    before, _task = _task, task
    try:
        yield
    finally:
        _task = before


@contextmanager
def cancel_on_interrupt() -> Iterator[None]:
    """In a coroutine: an interrupt cancels the current await and is raised as KeyboardInterrupt.

    Raises:
        KeyboardInterrupt: it was interrupted, and its cleanup has run.
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
def handle_interrupts(again: Callable[[], None]) -> Iterator[None]:
    """SIGINT, SIGTERM and SIGHUP end the work once; further signals call `again`.

    Args:
        again: reports that the cleanup is in progress.
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
        # The interruption applies to the work in the block only, not to a later cancellation.
        requested = False
        for number, handler in before.items():
            signal.signal(number, handler)


def ignore_from_now() -> None:
    """Record a termination signal and continue, because the cleanup is in progress."""

    def note(_signum: int, _frame: FrameType | None) -> None:
        global requested  # noqa: PLW0603
        requested = True

    for number in _SIGNALS:
        signal.signal(number, note)


def stop_following() -> None:
    """After the cleanup, exit now if a signal requested it; otherwise let the next signal end the process."""
    if requested:
        os._exit(2)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    if requested:  # a signal arrived in between
        os._exit(2)


@contextmanager
def workers_ignore_sigint() -> Iterator[None]:
    """Processes that are started in the block ignore SIGINT until they call `follow_controller`.

    This process still receives it if it has other threads, because any unblocked thread may get a signal.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def follow_controller(controller: int) -> None:
    """Make this worker end cleanly on its controller's signal or death only.

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
