"""The chunks of data between two stages, and the channel that carries them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from random import Random
from typing import Any, Protocol


class Signal(Enum):
    """The reason why there is no chunk: end of stream, interruption, or time-out."""

    END = auto()
    INTERRUPT = auto()
    TIME = auto()


@dataclass(slots=True)
class Chunk:
    """Bytes, and the monotonic time at which they count as read."""

    data: bytes
    read_at: float


class ChunkSink(Protocol):
    """The destination of a stage's output: the next stage's inbox, or the sink."""

    async def put(self, chunk: Chunk) -> None:
        """Put a chunk; returns when there is room for another one."""

    def close(self) -> None:
        """Signal the end of the stream."""


class StageControl(Protocol):
    """The interface of a stage for the effect that it runs."""

    passed_bytes: int

    @property
    def attributes(self) -> dict[str, Any]:
        """The toxic's current attributes; they may change while the effect runs."""

    @property
    def draws(self) -> Random:
        """The random numbers of this toxic on this connection."""

    async def take(self, within_s: float | None = None) -> Chunk | Signal:
        """Wait for the next chunk, at most `within_s` seconds; return it or the reason for its absence."""

    async def rest(self, seconds: float) -> bool:
        """Wait for a number of seconds; return False if interrupted."""

    async def pass_on(self, chunk: Chunk) -> None:
        """Pass a chunk to the next stage."""

    def close(self) -> None:
        """End the direction; later chunks are dropped."""


def _nobody() -> None:
    return


class Inbox:
    """A channel with a capacity and one consumer; `put` returns when there is room again.

    `stirred` is called when a chunk was added or the channel closed, `eased` when there is room after a chunk
    was taken.
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
        """Add a chunk without waiting; the caller checks `crowded` afterwards."""
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
