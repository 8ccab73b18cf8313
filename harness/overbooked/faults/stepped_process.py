"""A process stopped at each message it sends, so that one can look at what every message has done."""

from __future__ import annotations

import asyncio
import functools
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from overbooked.errors import DeadlineExceeded
from overbooked.faults.in_force import Observed
from overbooked.faults.process_faults import OnProcess
from overbooked.stacks.base.protocol import Link, Process, Tripwire
from overbooked.verdicts.evidence import Receipt

# How long the answer to a message is awaited; one that is only part of a request has none.
_ANSWER_S = 0.25
_POLL_S = 0.001


class Stepped(OnProcess):
    """Stops the process (SIGSTOP) at each of its messages; goes on on exit.

    async with faults.stepped("app", "app->postgres") as steps:
        paying = asyncio.create_task(...)
        while await steps.next(paying):
            ...  # the message has been passed on and answered, the process stands still

    Any message of the links counts, so let nobody else use them meanwhile.

    Args:
        process: who is stopped.
        links: the links on whose messages it is.
    """

    def __init__(
        self,
        process: Process,
        links: Sequence[Link],
        receive: Callable[[Receipt], None],
        clock: Callable[[], float],
    ) -> None:
        names = ", ".join(link.name for link in links)
        super().__init__(f"stopped at each message on {names}", process, [], receive, clock)
        self.halts = 0
        self._links = links
        self._armed: list[Tripwire] = []
        self._loop = asyncio.get_running_loop()
        self._halted = asyncio.Event()
        self._at: tuple[Link, int] | None = None  # where it stands, with the answers there were then
        self._told = self._over = False
        # A message that comes while it is let go on stops it after that, not before.
        self._turn = threading.Lock()

    async def next(self, work: asyncio.Future[Any], *, within_s: float = 15.0) -> bool:
        """Let it go on to its next message; False when `work` has ended before there was one.

        Returns once the message is answered, or no answer comes at once. The process stands still
        then, and stays so until the next call or the end of the block.

        Raises:
            DeadlineExceeded: neither happened in time.
        """
        if self._told or not self._armed:
            await asyncio.to_thread(self._go_on)
        halted = asyncio.ensure_future(self._halted.wait())
        try:
            await asyncio.wait({halted, work}, timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            halted.cancel()
            # Whatever is done while it stands, to it or to others, must not stop it again.
            self._disarm()
        if self._halted.is_set():
            self._told = True
            await self._answered()
            return True
        if work.done():
            return False
        raise DeadlineExceeded(f"{self.what}: {self.subject} sent no message within {within_s:g} s")

    async def _inject(self) -> None:
        self._arm()

    def _go_on(self) -> None:
        with self._turn:
            self._halted = asyncio.Event()
            self._told = False
            stands, self._at = self._at is not None, None
            self._arm()
            if stands:
                self.process.resume()

    def _arm(self) -> None:
        self._armed = [
            link.arm(after_messages=1, action=functools.partial(self._halt, link)) for link in self._links
        ]

    def _disarm(self) -> None:
        for wire in self._armed:
            wire.disarm()
        self._armed = []

    def _halt(self, link: Link) -> None:
        """In the relay's thread: the message is passed on when this returns."""
        with self._turn:
            if self._over:
                return
            self.process.pause()
            self.halts += 1
            self._at = link, link.traffic().replies
            self._loop.call_soon_threadsafe(self._halted.set)

    async def _answered(self) -> None:
        assert self._at is not None
        link, replies = self._at
        deadline = time.monotonic() + _ANSWER_S
        while True:
            if link.traffic().replies > replies or time.monotonic() >= deadline:
                return
            await asyncio.sleep(_POLL_S)

    async def heal(self) -> None:
        self._disarm()
        await asyncio.to_thread(self._end)

    def _end(self) -> None:
        with self._turn:
            self._over = True
            self.process.resume()

    def observe(self) -> Observed:
        effect = {
            "pid": self._pid,
            "halts": self.halts,
            "stepped_s": round(time.monotonic() - self._since, 4),
        }
        return Observed(self.halts, 0, effect, bit=self.halts > 0)
