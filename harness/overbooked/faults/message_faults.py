"""Faults at the n-th message of a link: they are triggered by an event, not by time."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable

from overbooked.catalog.model import Means
from overbooked.errors import DeadlineExceeded, FaultError
from overbooked.faults.allowed_hosts import HostPolicy
from overbooked.faults.base import FaultObservation
from overbooked.faults.link_faults import OnLink, Site
from overbooked.stacks.base.protocol import Traffic, Tripwire

# The time limit of a strike, in seconds; a kill that the process survives fails after fifteen.
_STRIKE_S = 30.0


class StrikeAction:
    """The action of a fault at a message, and its reversal at the end.

    Args:
        what: a description, e.g. `kill app`.
        act: runs in the relay's thread before the message is forwarded; returns its measurements.
        undo: reverses `act`; called only if `act` has run.
    """

    def __init__(
        self, what: str, act: Callable[[], dict[str, object]], undo: Callable[[], Awaitable[None]]
    ) -> None:
        self.what = what
        self.act = act
        self.undo = undo


class FaultAtMessage(OnLink):
    """Arms a tripwire on entry; strikes just before the n-th message from then on is forwarded.

    Args:
        nth: the message's number; 1 is the next message.
        strike: the action.
        means: the catalog's means that the fault provides.
    """

    def __init__(
        self, site: Site, aim: HostPolicy, nth: int, strike: StrikeAction, means: Means = Means.TOXICS
    ) -> None:
        if nth < 1:
            raise FaultError(f"messages count from 1 (the next one), got {nth}")
        super().__init__(site, aim, f"{strike.what} at message {nth}")
        self.nth = nth
        self.means = means
        self._strike = strike
        self._wire: Tripwire | None = None
        self._struck = threading.Event()
        # Guards `_begun` and `_over`: a strike runs completely before healing, or not at all.
        self._turn = threading.Lock()
        self._begun = self._over = False
        self._failed: BaseException | None = None
        self._measured: dict[str, object] = {}
        self._loop = asyncio.get_running_loop()
        self._news = asyncio.Event()

    @property
    def fired(self) -> bool:
        """Whether the message arrived and the action has run."""
        return self._struck.is_set()

    async def struck(self, within_s: float) -> None:
        """Wait until the action has run.

        Raises:
            DeadlineExceeded: the message did not arrive in time.
            FaultError: the message arrived and the action failed.
        """
        try:
            async with asyncio.timeout(within_s):
                await self._news.wait()
        except TimeoutError as error:
            raise DeadlineExceeded(
                f"{self.what} on {self.subject}: after {within_s:g} s only "
                f"{self.traffic().messages} of {self.nth} messages had come"
            ) from error
        self._complain()

    async def inject(self) -> None:
        await asyncio.to_thread(self._site.begin, self._aim)
        self._before = self.link.traffic()
        self._wire = self.link.arm(after_messages=self.nth, action=self._act)

    def _act(self) -> None:
        """Run the action in the relay's thread; the message is forwarded after the return."""
        with self._turn:
            if self._over:
                return
            self._begun = True
        started = time.perf_counter()
        try:
            self._measured = self._strike.act()
        except Exception as error:
            # Kept so that `struck` and `heal` raise it; the relay would only log it.
            self._failed = error
        self._measured["took_ms"] = round((time.perf_counter() - started) * 1000, 2)
        self._struck.set()
        self._loop.call_soon_threadsafe(self._news.set)

    async def heal(self) -> None:
        if self._wire is not None:
            self._wire.disarm()
        with self._turn:
            self._over = True
        if self._begun:
            if not await asyncio.to_thread(self._struck.wait, _STRIKE_S):
                raise FaultError(f"{self.what} on {self.subject} has not ended after {_STRIKE_S:g} s")
            await self._strike.undo()
        self._complain()

    def _complain(self) -> None:
        if self._failed is not None:
            raise FaultError(f"{self.what} on {self.subject} failed: {self._failed}") from self._failed

    def observe(self) -> FaultObservation:
        seen = super().observe()
        return FaultObservation(seen.messages, seen.bytes, {**seen.effect, **self._measured}, seen.bit)

    def touched(self, seen: Traffic) -> bool:
        return self.fired and self._failed is None and bool(self._measured.get("hit", True))
