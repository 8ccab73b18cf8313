"""What flows between two stages, and the channel it flows through."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Protocol


class Sign(Enum):
    """What came instead of a chunk."""

    END = auto()
    INTERRUPT = auto()
    TIME = auto()


@dataclass(slots=True)
class Chunk:
    """Bytes with the monotonic time at which they are held to have been read."""

    data: bytes
    read_at: float


class Outlet(Protocol):
    """Where a stage puts what it lets through: the next stage's inbox, or the sink."""

    async def put(self, chunk: Chunk) -> None:
        """Hand a chunk on; returns when there is room for another."""

    def close(self) -> None:
        """Nothing more will come."""


def _nobody() -> None:
    return


class Inbox:
    """A channel of some capacity with one taker; `put` returns when there is room again.

    `stirred` is called when something came, `eased` when there is room again.
    """

    __slots__ = ("_capacity", "_chunks", "_room", "eased", "ended", "stirred")

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._chunks: deque[Chunk] = deque()
        self._room: asyncio.Future[None] | None = None
        self.ended = False
        self.stirred: Callable[[], None] = _nobody
        self.eased: Callable[[], None] = _nobody

    def __len__(self) -> int:
        return len(self._chunks)

    @property
    def crowded(self) -> bool:
        return len(self._chunks) > self._capacity

    def feed(self, chunk: Chunk) -> None:
        """Hand a chunk on without waiting; look at `crowded` afterwards."""
        self._chunks.append(chunk)
        self.stirred()

    async def put(self, chunk: Chunk) -> None:
        self.feed(chunk)
        while self.crowded:
            self._room = asyncio.get_running_loop().create_future()
            await self._room

    def take(self) -> Chunk:
        chunk = self._chunks.popleft()
        if not self.crowded:
            if self._room is not None and not self._room.done():
                self._room.set_result(None)
            self.eased()
        return chunk

    def close(self) -> None:
        self.ended = True
        self.stirred()
