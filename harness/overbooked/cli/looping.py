"""Work on an event loop that Ctrl-C cancels, so that what was started is closed on the way out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from overbooked.runs import interrupts

T = TypeVar("T")


def looped(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine to its end.

    Raises:
        KeyboardInterrupt: it was interrupted, and has unwound.
    """

    async def cancellable() -> T:
        with interrupts.unwinding():
            return await work()

    return asyncio.run(cancellable())
