"""The last line of defence: stacks that are still up when the process ends are disposed of.

Context managers close stacks. This is for what they do not see: an exit without unwinding,
SIGTERM, a closed terminal. Against kill -9 help the children's death signal and the next sweep.
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
    """Call `dispose` when the process ends, unless `unprotect` comes first."""
    _live[stack_id] = (os.getpid(), dispose)
    _install()


def unprotect(stack_id: str) -> None:
    """The stack has been closed."""
    _live.pop(stack_id, None)


def dispose_all() -> None:
    """Dispose of every stack of this process that is still up."""
    for stack_id, (owner, dispose) in list(_live.items()):
        _live.pop(stack_id, None)
        if owner == os.getpid():  # a forked child owns nothing
            with suppress(Exception):
                dispose()


def _install() -> None:
    atexit.unregister(dispose_all)
    atexit.register(dispose_all)  # after whatever was registered before: so it runs first
    if threading.current_thread() is threading.main_thread():
        for number in _SIGNALS:
            if signal.getsignal(number) is signal.SIG_DFL:  # somebody else's handler is left alone
                signal.signal(number, _on_signal)


def _on_signal(number: int, _frame: FrameType | None) -> None:
    dispose_all()
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
