"""Disposes of stacks that are still running when the process ends.

Context managers close stacks. This module covers an exit without unwinding, SIGTERM and a closed terminal
(SIGHUP). After SIGKILL, the children's death signal and the next sweep remove the stack.
"""

from __future__ import annotations

import atexit
import os
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from types import FrameType

_live: dict[str, tuple[int, Callable[[], None]]] = {}
_SIGNALS = (signal.SIGTERM, signal.SIGHUP)


def protect(stack_id: str, dispose: Callable[[], None]) -> None:
    """Call `dispose` when the process ends, unless `unprotect` is called before."""
    _live[stack_id] = (os.getpid(), dispose)
    _install()


def unprotect(stack_id: str) -> None:
    """Cancel `protect` for a stack that has been closed."""
    _live.pop(stack_id, None)


def dispose_all() -> None:
    """Dispose of every stack of this process that is still running."""
    for stack_id, (owner, dispose) in list(_live.items()):
        _live.pop(stack_id, None)
        if owner == os.getpid():  # a forked child owns no stack
            with suppress(Exception):
                dispose()


def _install() -> None:
    atexit.unregister(dispose_all)
    atexit.register(dispose_all)  # registered last, so it runs first
    if threading.current_thread() is threading.main_thread():
        for number in _SIGNALS:
            if signal.getsignal(number) is signal.SIG_DFL:  # do not replace another handler
                signal.signal(number, _on_signal)


def _on_signal(number: int, _frame: FrameType | None) -> None:
    dispose_all()
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
