"""Whether something has happened: told by callbacks, awaited by one who acts on it."""

from __future__ import annotations

import asyncio


class News:
    """Told and awaited on one event loop, by one waiter at a time."""

    def __init__(self) -> None:
        self._there = False
        self._waiter: asyncio.Future[bool] | None = None

    def tell(self) -> None:
        """Something has happened."""
        self._there = True
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(True)

    async def within(self, seconds: float) -> bool:
        """Whether something has happened since this was asked last, or does within so many seconds."""
        if not self._there:
            loop = asyncio.get_running_loop()
            waiter = self._waiter = loop.create_future()
            timer = loop.call_later(seconds, _give_up, waiter)
            try:
                await waiter
            finally:
                timer.cancel()
                self._waiter = None
        there, self._there = self._there, False
        return there


def _give_up(waiter: asyncio.Future[bool]) -> None:
    if not waiter.done():
        waiter.set_result(False)
