"""An event with one waiter: set by callbacks, awaited with a timeout."""

from __future__ import annotations

import asyncio


class News:
    """An event of one event loop with at most one waiter; waiting resets it."""

    def __init__(self) -> None:
        self._in_relay_thread = False
        self._waiter: asyncio.Future[bool] | None = None

    def tell(self) -> None:
        """Wake the waiter."""
        self._in_relay_thread = True
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(True)

    async def within(self, seconds: float) -> bool:
        """Return whether the event was set since the last call, or is set within `seconds`."""
        if not self._in_relay_thread:
            loop = asyncio.get_running_loop()
            waiter = self._waiter = loop.create_future()
            timer = loop.call_later(seconds, _give_up, waiter)
            try:
                await waiter
            finally:
                timer.cancel()
                self._waiter = None
        there, self._in_relay_thread = self._in_relay_thread, False
        return there


def _give_up(waiter: asyncio.Future[bool]) -> None:
    if not waiter.done():
        waiter.set_result(False)
