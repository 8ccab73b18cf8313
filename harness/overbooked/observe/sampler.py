"""Samples a state in the background, so that a change that is later reverted is observed too."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from types import TracebackType
from typing import Generic, Self, TypeVar

from overbooked.errors import HarnessError

T = TypeVar("T")

# Seconds between samples; a sample takes a few milliseconds and must not slow down the system.
_EVERY_S = 0.02


class Onlooker(Generic[T]):
    """Takes samples repeatedly between `begin` and `end`, which may be called many times.

    async with Onlooker[DurableState]() as onlooker:
        onlooker.begin(payment.state)
        await races.burst(deliveries)
        never_backwards(await onlooker.end())
    """

    def __init__(self) -> None:
        self._task: asyncio.Task[None] | None = None
        self._enough = asyncio.Event()
        self._seen: list[T] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await self._task

    def begin(self, look: Callable[[], Awaitable[T]]) -> None:
        """Start sampling with `look`.

        Raises:
            HarnessError: sampling is already running.
        """
        if self._task is not None:
            raise HarnessError("a sampling is running; call end() before begin()")
        self._seen = []
        self._enough.clear()
        self._task = asyncio.create_task(self._look_on(look))

    async def end(self) -> list[T]:
        """Take a last sample and return all samples in order; there is at least one.

        Raises:
            HarnessError: sampling is not running. An error in `look` is raised here too.
        """
        if self._task is None:
            raise HarnessError("no sampling is running; call begin() first")
        self._enough.set()
        task, self._task = self._task, None
        await task
        return self._seen

    async def _look_on(self, look: Callable[[], Awaitable[T]]) -> None:
        while True:
            last = self._enough.is_set()
            self._seen.append(await look())
            if last:
                return
            with suppress(TimeoutError):
                await asyncio.wait_for(self._enough.wait(), _EVERY_S)
