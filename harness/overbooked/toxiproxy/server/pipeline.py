"""The toxics of one direction of one connection, in order; they can change during traffic."""

from __future__ import annotations

import time
from collections.abc import Callable
from random import Random

from overbooked.toxiproxy.server.chunks import Chunk, ChunkSink
from overbooked.toxiproxy.server.stage import Stage
from overbooked.toxiproxy.server.toxics import Toxic

# The original's read size, so that limits and rates apply to the same chunks.
_CHUNK_BYTES = 32 * 1024


class Pipeline:
    """The stages between a source and a sink.

    Args:
        sink: the destination of the last stage's chunks.
        eased: called when there may be room for more data.
        emptied: called when the last stage has been removed and all chunks have been passed on.
    """

    def __init__(self, sink: ChunkSink, eased: Callable[[], None], emptied: Callable[[], None]) -> None:
        self._stages: list[Stage] = []
        self._sink = sink
        self._eased = eased
        self._emptied = emptied

    @property
    def crowded(self) -> bool:
        """Whether the source should pause."""
        return bool(self._stages) and not self._stages[0].ended and self._stages[0].inbox.crowded

    def feed(self, data: bytes) -> None:
        """Split data into chunks and add them to the first stage."""
        if not self._stages or self._stages[0].ended:
            return
        now = time.monotonic()
        inbox = self._stages[0].inbox
        for start in range(0, len(data), _CHUNK_BYTES):
            inbox.feed(Chunk(data[start : start + _CHUNK_BYTES], now))

    def end(self) -> None:
        """Signal the end of the source."""
        if self._stages:
            self._stages[0].inbox.close()

    def add(self, toxic: Toxic, draws: Callable[[], Random]) -> None:
        """Add a stage for a toxic at the end."""
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
        """Apply a toxic's changed attributes."""
        for stage in self._of(toxic):
            stage.update()

    def remove(self, toxic: Toxic) -> None:
        """Remove a toxic after it has passed on the chunks that it holds."""
        for stage in self._of(toxic):
            stage.remove()

    def cancel(self) -> None:
        """Cancel all stages, because the connection is closed."""
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
