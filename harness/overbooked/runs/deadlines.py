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

# Who traces a Python program in order to stop it; coverage tools trace too and are none of these.
_DEBUGGERS = ("bdb", "pdb", "pydevd", "_pydevd_bundle", "pydevd_frame_evaluator", "debugpy")
_POLL_S = 1.0
# A blocked event loop cannot cancel its task: the alarm comes this much later.
_GRACE_S = 5.0


def debugger_attached() -> bool:
    """Whether a debugger holds this process: a Python one, or one that traces it (gdb, strace)."""
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


def limited(function: Callable[..., Any], limit: Limit) -> Callable[..., Any]:
    """The coroutine function, cancelled when the limit passes or the run is interrupted."""

    @functools.wraps(function)
    async def within(*args: Any, **kwargs: Any) -> Any:
        task = asyncio.current_task()
        assert task is not None
        loop = asyncio.get_running_loop()
        expired = False
        handle: asyncio.TimerHandle | None = None

        def look() -> None:
            nonlocal expired, handle
            if limit.passed():
                expired = True
                task.cancel()
            else:
                handle = loop.call_later(max(_POLL_S, limit.remaining_s()), look)

        handle = loop.call_later(max(0.0, limit.remaining_s()), look)
        try:
            with interrupts.unwinding(), watched():
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
    """A file by which a worker tells its controller that a debugger holds it.

    Args:
        directory: the run's folder.
    """

    def __init__(self, directory: Path) -> None:
        self._file = directory / ".suspended"

    def renew(self) -> None:
        """Say that time stands still for now."""
        with contextlib.suppress(OSError):
            self._file.touch()

    def is_fresh(self) -> bool:
        """Whether somebody has said so a moment ago."""
        try:
            return time.time() - self._file.stat().st_mtime < 3 * _GRACE_S
        except OSError:
            return False


class Limit:
    """How long one scenario may take.

    Args:
        seconds: its own limit.
        most: what it may grow to where the scenario finds more to do than was foreseen; None: it does not.
        until: end of the whole run, seconds since the epoch.
        mark: where to say that a debugger suspends it.
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
        """Seconds left, of the scenario or of the run, whichever ends first."""
        own = self.seconds - (time.monotonic() - self._started)
        return own if self.until is None else min(own, self.until - time.time())

    def ask(self, seconds: float) -> float:
        """Have so many seconds left from now, as far as the limit may grow; how many there are."""
        wanted = time.monotonic() - self._started + seconds
        self.seconds = max(self.seconds, min(wanted, self._most))
        return self.remaining_s()

    def passed(self) -> bool:
        """Whether time is up; never while a debugger is attached."""
        if self.remaining_s() > 0:
            return False
        if debugger_attached():
            if self._mark:
                self._mark.renew()
            return False
        return True

    def exceeded(self) -> DeadlineExceeded:
        """The error to raise when time is up."""
        if self.until is not None and self.until <= time.time():
            return DeadlineExceeded("the run's deadline passed before the scenario ended")
        return DeadlineExceeded(
            f"the scenario took longer than its {self.seconds:.0f} s; raise `scenario_timeout_s` "
            "if it has a reason to"
        )

    @contextmanager
    def alarm(self) -> Iterator[None]:
        """Interrupt what blocks the main thread some seconds after the limit."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def ring(_signum: int, _frame: FrameType | None) -> None:
            if self.passed():
                raise self.exceeded()
            # A debugger is attached, or the limit has grown: look again later.
            signal.setitimer(signal.ITIMER_REAL, max(0.0, self.remaining_s()) + _GRACE_S)

        before = signal.signal(signal.SIGALRM, ring)
        signal.setitimer(signal.ITIMER_REAL, max(0.01, self.remaining_s()) + _GRACE_S)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
