"""The toxics of one direction of one connection, in a row, and how the row changes under traffic."""

from __future__ import annotations

import time
from collections.abc import Callable
from random import Random

from overbooked.toxiproxy.server.chunks import Chunk, Outlet
from overbooked.toxiproxy.server.stage import Stage
from overbooked.toxiproxy.server.toxics import Toxic

# The original reads this much at once; limits and rates shall see the same chunks.
_CHUNK_BYTES = 32 * 1024


class Pipeline:
    """The stages between a source and a sink.

    Args:
        sink: where the last stage puts its chunks.
        eased: called when there may be room for more.
        emptied: called when the last stage has left and everything has been passed on.
    """

    def __init__(self, sink: Outlet, eased: Callable[[], None], emptied: Callable[[], None]) -> None:
        self._stages: list[Stage] = []
        self._sink = sink
        self._eased = eased
        self._emptied = emptied

    @property
    def crowded(self) -> bool:
        """Whether the source should pause."""
        return bool(self._stages) and not self._stages[0].ended and self._stages[0].inbox.crowded

    def feed(self, data: bytes) -> None:
        """Take what was read."""
        if not self._stages or self._stages[0].ended:
            return
        now = time.monotonic()
        inbox = self._stages[0].inbox
        for start in range(0, len(data), _CHUNK_BYTES):
            inbox.feed(Chunk(data[start : start + _CHUNK_BYTES], now))

    def end(self) -> None:
        """The source has ended."""
        if self._stages:
            self._stages[0].inbox.close()

    def add(self, toxic: Toxic, draws: Callable[[], Random]) -> None:
        """Put a toxic at the end of the row."""
        stage = Stage(toxic, draws, self._sink, self._leave)
        stage.inbox.eased = self._eased
        if self._stages:
            last = self._stages[-1]
            last.out = stage.inbox
            if last.ended:
                stage.inbox.close()
        self._stages.append(stage)
        stage.start()

    def update(self, toxic: Toxic) -> None:
        """A toxic of the row has changed."""
        for stage in self._of(toxic):
            stage.update()

    def remove(self, toxic: Toxic) -> None:
        """Take a toxic out of the row as soon as it has passed on what it holds."""
        for stage in self._of(toxic):
            stage.remove()

    def cancel(self) -> None:
        """The connection is gone."""
        for stage in self._stages:
            stage.cancel()
        self._stages.clear()

    def _of(self, toxic: Toxic) -> list[Stage]:
        return [stage for stage in self._stages if stage.toxic is toxic]

    def _leave(self, stage: Stage) -> None:
        if stage.ended or stage not in self._stages:
            return
        at = self._stages.index(stage)
        del self._stages[at]
        if at > 0:
            self._stages[at - 1].out = stage.out
        if not self._stages:
            self._emptied()
        elif at == 0:
            self._eased()
