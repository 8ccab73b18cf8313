"""Looking on while something happens: what went forward and back between two looks is seen by one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from types import TracebackType
from typing import Generic, Self, TypeVar

from overbooked.errors import HarnessError

T = TypeVar("T")

# Between two looks; a look costs a few milliseconds, and must not slow down what it looks at.
_EVERY_S = 0.02


class Onlooker(Generic[T]):
    """Looks again and again between `begin` and `end`; both may be called many times over.

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
        """Begin to look, with this.

        Raises:
            HarnessError: it has not ended looking at something else.
        """
        if self._task is not None:
            raise HarnessError("somebody looks on already; end that before another beginning")
        self._seen = []
        self._enough.clear()
        self._task = asyncio.create_task(self._look_on(look))

    async def end(self) -> list[T]:
        """Look once more; everything seen, in order, at least one look.

        Raises:
            HarnessError: nobody has begun. What a look raised is raised here.
        """
        if self._task is None:
            raise HarnessError("nobody looks on")
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
