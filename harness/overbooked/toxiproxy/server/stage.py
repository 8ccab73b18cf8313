"""One toxic on one direction of one connection."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from random import Random
from typing import Any

from overbooked.toxiproxy.server import effects
from overbooked.toxiproxy.server.chunks import Chunk, ChunkSink, Inbox, Signal
from overbooked.toxiproxy.server.toxics import Toxic

_LONGEST_REST_S = 3600.0


class Stage:
    """A task that takes chunks from its inbox and applies its toxic's effect.

    Args:
        toxic: the toxic; its attributes may change while the stage runs.
        draws: returns the random numbers of this toxic on this connection; called at their first use.
        out: the destination of the output; the pipeline may change it while the stage runs.
        left: called when the stage has ended or been removed, and its inbox is empty.
    """

    def __init__(
        self, toxic: Toxic, draws: Callable[[], Random], out: ChunkSink, left: Callable[[Stage], None]
    ) -> None:
        self.toxic = toxic
        self.inbox = Inbox(toxic.kind.buffer)
        self.inbox.stirred = self._stir
        self.out = out
        self.passed_bytes = 0
        self.ended = False
        self._make_draws = draws
        self._draws: Random | None = None
        self._luck = 0.0
        self._left = left
        self._removed = False
        self._interrupted = False
        self._waiting: asyncio.Future[None] | None = None
        self._task: asyncio.Task[None] | None = None

    # -- what an effect uses -------------------------------------------------------------------

    @property
    def attributes(self) -> dict[str, Any]:
        """The toxic's current attributes."""
        return self.toxic.attributes

    @property
    def draws(self) -> Random:
        """The random numbers of this toxic on this connection; the first one is used for its toxicity."""
        if self._draws is None:
            self._draws = self._make_draws()
            self._luck = self._draws.random()
        return self._draws

    async def take(self, within_s: float | None = None) -> Chunk | Signal:
        """Wait for the next chunk, at most `within_s` seconds; return it or the reason for its absence."""
        due = None if within_s is None else time.monotonic() + within_s
        while True:
            if self._interrupted:
                return Signal.INTERRUPT
            if len(self.inbox):
                return self.inbox.take()
            if self.inbox.ended:
                return Signal.END
            if due is not None and time.monotonic() >= due:
                return Signal.TIME
            await self._wait(due)

    async def rest(self, seconds: float) -> bool:
        """Wait for a number of seconds; return False if interrupted."""
        due = time.monotonic() + seconds
        while not self._interrupted:
            if time.monotonic() >= due:
                return True
            await self._wait(due)
        return False

    async def pass_on(self, chunk: Chunk) -> None:
        await self.out.put(chunk)

    def close(self) -> None:
        """End the direction at this stage; later chunks are dropped."""
        if not self.ended:
            self.ended = True
            self.out.close()

    # -- what the pipeline uses ----------------------------------------------------------------

    def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._run())

    def update(self) -> None:
        """Interrupt the effect after a change of the toxic: it passes on its chunk and is restarted."""
        self._interrupted = True
        self._stir()

    def remove(self) -> None:
        """End the stage after it has passed on its chunks."""
        self._removed = True
        self.update()

    def cancel(self) -> None:
        """Cancel the stage, because the connection is closed."""
        if self._task is not None:
            self._task.cancel()

    async def _run(self) -> None:
        while not self.ended and not self._removed:
            self._interrupted = False
            await (self.toxic.kind.pipe if self._hits() else effects.noop)(self)
        if self._removed and self.toxic.kind.closes_when_removed:
            self.close()
        while not self.ended and len(self.inbox):
            await self.out.put(self.inbox.take())
        if self.inbox.ended:
            self.close()
        self._left(self)

    def _hits(self) -> bool:
        """Whether the toxic affects this connection, by its toxicity; the random number is drawn once."""
        toxicity = self.toxic.toxicity
        if toxicity >= 1 or toxicity <= 0:
            return toxicity >= 1
        return bool(self.draws) and self._luck < toxicity

    def _stir(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    async def _wait(self, due: float | None) -> None:
        """Wait until `_stir` is called or about `due`; the caller checks the reason."""
        loop = asyncio.get_running_loop()
        self._waiting = loop.create_future()
        timer = None
        if due is not None:
            # Timers have a resolution of 1 ms and round down.
            left_s = min(max(due - time.monotonic(), 0.0), _LONGEST_REST_S)
            timer = loop.call_later(math.ceil(left_s * 1000) / 1000, self._stir)
        try:
            await self._waiting
        finally:
            self._waiting = None
            if timer is not None:
                timer.cancel()
