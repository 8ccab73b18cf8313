"""Time limits of a scenario, which an attached debugger suspends."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import inspect
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from overbooked.errors import DeadlineExceeded
from overbooked.machine.lag import watched
from overbooked.runs import interrupts

# Modules of debuggers; coverage tools also trace a program, but are not debuggers.
_DEBUGGERS = ("bdb", "pdb", "pydevd", "_pydevd_bundle", "pydevd_frame_evaluator", "debugpy")
_POLL_S = 1.0
# A blocked event loop cannot cancel its task, so an alarm follows after this many seconds.
_GRACE_S = 5.0


def debugger_attached() -> bool:
    """Return whether a Python debugger or a tracer of the process (gdb, strace) is attached."""
    tracer = sys.gettrace()
    if tracer is not None:
        module = inspect.getmodule(tracer) or inspect.getmodule(type(tracer))
        name = module.__name__ if module else getattr(tracer, "__module__", "")
        if name.split(".")[0] in _DEBUGGERS:
            return True
    monitoring = getattr(sys, "monitoring", None)
    if monitoring is not None and monitoring.get_tool(monitoring.DEBUGGER_ID):
        return True
    debugpy = sys.modules.get("debugpy")
    if debugpy is not None and debugpy.is_client_connected():
        return True
    return _traced("self")


def _traced(pid: str) -> bool:
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return False
    for line in status.splitlines():
        if line.startswith("TracerPid:"):
            return line.split()[1] != "0"
    return False


def with_limit(function: Callable[..., Any], limit: Limit) -> Callable[..., Any]:
    """Wrap a coroutine function so that it is cancelled at the limit or when the run is interrupted."""

    @functools.wraps(function)
    async def within(*args: Any, **kwargs: Any) -> Any:
        task = asyncio.current_task()
        assert task is not None
        loop = asyncio.get_running_loop()
        expired = False
        handle: asyncio.TimerHandle | None = None

        def look() -> None:
            nonlocal expired, handle
            if limit.expired():
                expired = True
                task.cancel()
            else:
                handle = loop.call_later(max(_POLL_S, limit.remaining_s()), look)

        handle = loop.call_later(max(0.0, limit.remaining_s()), look)
        try:
            with interrupts.cancel_on_interrupt(), watched():
                return await function(*args, **kwargs)
        except asyncio.CancelledError:
            if expired:
                task.uncancel()
                raise limit.exceeded() from None
            raise
        finally:
            handle.cancel()

    return within


class SuspensionMark:
    """A file by which a worker reports to its controller that a debugger is attached.

    Args:
        directory: the run's folder.
    """

    def __init__(self, directory: Path) -> None:
        self._file = directory / ".suspended"

    def renew(self) -> None:
        """Report that time limits are suspended for now."""
        with contextlib.suppress(OSError):
            self._file.touch()

    def is_fresh(self) -> bool:
        """Return whether a worker has renewed the mark recently."""
        try:
            return time.time() - self._file.stat().st_mtime < 3 * _GRACE_S
        except OSError:
            return False


class Limit:
    """The time limit of one scenario.

    Args:
        seconds: the limit of the scenario, in seconds.
        most: the maximum to which it may grow if the scenario has more work than expected; None: fixed.
        until: the deadline of the whole run, in seconds since the epoch.
        mark: reports that a debugger suspends the limit.
    """

    def __init__(
        self,
        seconds: float,
        until: float | None = None,
        mark: SuspensionMark | None = None,
        *,
        most: float | None = None,
    ) -> None:
        self.seconds = seconds
        self._most = seconds if most is None else most
        self.until = until
        self._mark = mark
        self._started = time.monotonic()

    def remaining_s(self) -> float:
        """Return the remaining seconds of the scenario or of the run, whichever ends first."""
        own = self.seconds - (time.monotonic() - self._started)
        return own if self.until is None else min(own, self.until - time.time())

    def ask(self, seconds: float) -> float:
        """Request `seconds` from now, as far as the limit may grow; return the remaining seconds."""
        wanted = time.monotonic() - self._started + seconds
        self.seconds = max(self.seconds, min(wanted, self._most))
        return self.remaining_s()

    def expired(self) -> bool:
        """Return whether time is up; never while a debugger is attached."""
        if self.remaining_s() > 0:
            return False
        if debugger_attached():
            if self._mark:
                self._mark.renew()
            return False
        return True

    def exceeded(self) -> DeadlineExceeded:
        """Return the error to raise when time is up."""
        if self.until is not None and self.until <= time.time():
            return DeadlineExceeded("the run's deadline passed before the scenario ended")
        return DeadlineExceeded(
            f"the scenario took longer than its {self.seconds:.0f} s; raise `scenario_timeout_s` "
            "if it needs more time"
        )

    @contextmanager
    def alarm(self) -> Iterator[None]:
        """Interrupt a blocked main thread some seconds after the limit."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def ring(_signum: int, _frame: FrameType | None) -> None:
            if self.expired():
                raise self.exceeded()
            # A debugger is attached, or the limit has grown: check again later.
            signal.setitimer(signal.ITIMER_REAL, max(0.0, self.remaining_s()) + _GRACE_S)

        before = signal.signal(signal.SIGALRM, ring)
        signal.setitimer(signal.ITIMER_REAL, max(0.01, self.remaining_s()) + _GRACE_S)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
