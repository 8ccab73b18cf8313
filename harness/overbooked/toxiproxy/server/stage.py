"""One toxic at work on one direction of one connection."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from random import Random

from overbooked.toxiproxy.server import effects
from overbooked.toxiproxy.server.chunks import Chunk, Inbox, Outlet, Sign
from overbooked.toxiproxy.server.toxics import Toxic

_LONGEST_REST_S = 3600.0


class Stage:
    """A task that takes chunks from its inbox and puts them out as its toxic says.

    Args:
        toxic: the toxic, whose attributes may change while this runs.
        draws: gives the random numbers of this toxic on this connection, if they are asked for.
        out: where it puts what it lets through; changed by the pipeline while it runs.
        left: called when it has been removed and its inbox is empty.
    """

    def __init__(
        self, toxic: Toxic, draws: Callable[[], Random], out: Outlet, left: Callable[[Stage], None]
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
    def draws(self) -> Random:
        """The random numbers of this toxic on this connection, the first taken for its toxicity."""
        if self._draws is None:
            self._draws = self._make_draws()
            self._luck = self._draws.random()
        return self._draws

    async def take(self, within_s: float | None = None) -> Chunk | Sign:
        """The next chunk, or why there is none."""
        due = None if within_s is None else time.monotonic() + within_s
        while True:
            if self._interrupted:
                return Sign.INTERRUPT
            if len(self.inbox):
                return self.inbox.take()
            if self.inbox.ended:
                return Sign.END
            if due is not None and time.monotonic() >= due:
                return Sign.TIME
            await self._wait(due)

    async def rest(self, seconds: float) -> bool:
        """Let time pass; False when interrupted before it had."""
        due = time.monotonic() + seconds
        while not self._interrupted:
            if time.monotonic() >= due:
                return True
            await self._wait(due)
        return False

    async def pass_on(self, chunk: Chunk) -> None:
        await self.out.put(chunk)

    def close(self) -> None:
        """End the direction here: what still comes is dropped."""
        if not self.ended:
            self.ended = True
            self.out.close()

    # -- what the pipeline uses ----------------------------------------------------------------

    def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._run())

    def update(self) -> None:
        """The toxic has changed: pass what is in hand and begin again."""
        self._interrupted = True
        self._stir()

    def remove(self) -> None:
        """Pass everything on and leave."""
        self._removed = True
        self.update()

    def cancel(self) -> None:
        """The connection is gone."""
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
        """Whether this connection is among those the toxic's toxicity chooses; drawn only once."""
        toxicity = self.toxic.toxicity
        if toxicity >= 1 or toxicity <= 0:
            return toxicity >= 1
        return bool(self.draws) and self._luck < toxicity

    def _stir(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    async def _wait(self, due: float | None) -> None:
        """Wait until stirred or about `due`; the caller looks which."""
        loop = asyncio.get_running_loop()
        self._waiting = loop.create_future()
        timer = None
        if due is not None:
            # Timers tick in milliseconds and round down.
            left_s = min(max(due - time.monotonic(), 0.0), _LONGEST_REST_S)
            timer = loop.call_later(math.ceil(left_s * 1000) / 1000, self._stir)
        try:
            await self._waiting
        finally:
            self._waiting = None
            if timer is not None:
                timer.cancel()
