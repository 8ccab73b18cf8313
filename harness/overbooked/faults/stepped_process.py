"""Stops a process at each message that it sends, so that the effect of each can be inspected."""

from __future__ import annotations

import asyncio
import functools
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from overbooked.errors import DeadlineExceeded
from overbooked.faults.base import FaultObservation
from overbooked.faults.process_faults import OnProcess
from overbooked.stacks.base.protocol import Link, Process, Tripwire
from overbooked.verdicts.evidence import Receipt

# The wait for the answer to a message, in seconds; a message that is part of a request has no answer.
_ANSWER_S = 0.25
_POLL_S = 0.001


class SteppedProcess(OnProcess):
    """Stop a process (SIGSTOP) at each of its messages; resume it on exit.

    async with faults.stepped("app", "app->postgres") as steps:
        paying = asyncio.create_task(...)
        while await steps.next(paying):
            ...  # the message has been forwarded and answered, and the process is stopped

    Every message of the links counts, so no other process may use them during the block.

    Args:
        process: the process to stop.
        links: the links that carry its messages.
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
        self._at: tuple[Link, int] | None = None  # the link of the current message, and its replies before it
        self._told = self._over = False
        # A message that arrives during a resume stops the process after the resume, not before it.
        self._turn = threading.Lock()

    async def next(self, work: asyncio.Future[Any], *, within_s: float = 15.0) -> bool:
        """Resume the process until its next message; return False if `work` ended without one.

        Returns when the message has been answered, or after a quarter of a second without an answer. The
        process then stays stopped until the next call or the end of the block.

        Raises:
            DeadlineExceeded: within `within_s` seconds no message was sent and `work` did not end.
        """
        if self._told or not self._armed:
            await asyncio.to_thread(self._go_on)
        halted = asyncio.ensure_future(self._halted.wait())
        try:
            await asyncio.wait({halted, work}, timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            halted.cancel()
            # Messages sent while the process is stopped must not trigger another stop.
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
        """Stop the process, in the relay's thread; the message is forwarded after the return."""
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

    def observe(self) -> FaultObservation:
        effect = {
            "pid": self._pid,
            "halts": self.halts,
            "stepped_s": round(time.monotonic() - self._since, 4),
        }
        return FaultObservation(self.halts, 0, effect, bit=self.halts > 0)
