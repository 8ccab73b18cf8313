"""The replicas of a service between two faults: restarted, and themselves again before the next.

A fault empties a pool, or has a service leave alone for a while what failed it; the next fault must not
meet that. A replica is itself again when a small request crosses every link that it crossed at first.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from overbooked.errors import DeadlineExceeded, HarnessError
from overbooked.fault_points.gatekeeper import Keeper
from overbooked.stacks.base.protocol import Process, Stack

_ITSELF_S = 30.0
_POLL_S = 0.02

Probe = Callable[[int], Awaitable[None]]


@dataclass(slots=True)
class Lane:
    """One replica.

    Args:
        process: None where the service is no process of ours.
        doubtful: something was done to it since it was last seen whole.
        fresh: it was started since, and its connections are not known yet.
    """

    index: int
    process: Process | None
    baseline: frozenset[str] = frozenset()
    doubtful: bool = False
    fresh: bool = False
    starting: asyncio.Task[None] | None = None

    def kill(self) -> None:
        """SIGKILL, in whichever thread; it must be the replica's own doing that it is gone.

        Raises:
            HarnessError: there is no process, or it did not die.
        """
        if self.process is None or not self.process.alive():
            raise HarnessError(f"replica {self.index} was to be killed and does not run")
        self.process.kill()
        if self.process.alive():
            raise HarnessError(f"{self.process.name} survived SIGKILL")


class Lanes:
    """The replicas of a stack, taken in turns.

    Args:
        stack: whose.
        keeper: sees what a probe crosses.
        probe: a small request at a replica.
        only: the one replica to be used; None: all in turns.
    """

    def __init__(self, stack: Stack, keeper: Keeper, probe: Probe, *, only: int | None = None) -> None:
        self.all = [Lane(n, stack.processes.get(name)) for n, name in enumerate(stack.replicas)]
        self._keeper = keeper
        self._probe = probe
        self._usable = self.all if only is None else [self.all[only % len(self.all)]]
        self._last = len(self._usable) - 1

    @property
    def usable(self) -> list[Lane]:
        """The replicas that are used."""
        return self._usable

    @property
    def killable(self) -> bool:
        """Whether every replica is a process of ours."""
        return all(lane.process is not None for lane in self.all)

    async def learn(self) -> None:
        """See what a probe crosses while nothing is wrong."""
        for lane in self.all:
            await self._crossed(lane)  # the first one may only fill caches
            lane.baseline = await self._crossed(lane)

    async def take(self) -> Lane:
        """The next replica that is itself; waits for one.

        Raises:
            DeadlineExceeded: none is in time.
        """
        deadline = time.monotonic() + _ITSELF_S
        while True:
            for turn in range(1, len(self._usable) + 1):
                place = (self._last + turn) % len(self._usable)
                if await self._is_itself(self._usable[place]):
                    self._last = place
                    return self._usable[place]
            if time.monotonic() > deadline:
                raise DeadlineExceeded(
                    f"no replica was itself again within {_ITSELF_S:g} s of the last fault: a probe does not "
                    f"cross {', '.join(sorted(self._usable[0].baseline)) or 'anything'}"
                )
            starting = [lane.starting for lane in self._usable if lane.starting is not None]
            if len(starting) == len(self._usable):
                await asyncio.wait(starting, return_when=asyncio.FIRST_COMPLETED, timeout=_ITSELF_S)
            else:
                await asyncio.sleep(_POLL_S)  # a service says nowhere when it will try again

    def revive(self) -> None:
        """Begin to start again what was killed; others are used meanwhile."""
        for lane in self.all:
            if lane.process is not None and lane.starting is None and not lane.process.alive():
                lane.starting = asyncio.create_task(lane.process.start())
                lane.doubtful = lane.fresh = True

    def crowded(self, lane: Lane) -> bool:
        """Whether another replica is starting; from any thread."""
        return any(
            other.starting is not None and not other.starting.done()
            for other in self.all
            if other is not lane
        )

    async def all_up(self) -> None:
        """Wait until every replica runs again.

        Raises:
            StackError: one did not start.
        """
        self.revive()
        for lane in self.all:
            await self._started(lane)

    async def close(self) -> None:
        """Let no start go on by itself."""
        starting = [lane.starting for lane in self.all if lane.starting is not None]
        await asyncio.gather(*starting, return_exceptions=True)

    async def _started(self, lane: Lane) -> None:
        if lane.starting is not None:
            starting, lane.starting = lane.starting, None
            await starting

    async def _is_itself(self, lane: Lane) -> bool:
        if lane.starting is not None:
            if not lane.starting.done():
                return False
            await self._started(lane)
        if lane.fresh and self.crowded(lane):
            return False
        if lane.doubtful:
            lane.doubtful = not lane.baseline <= await self._crossed(lane)
            lane.fresh = lane.fresh and lane.doubtful
        return not lane.doubtful

    async def _crossed(self, lane: Lane) -> frozenset[str]:
        turn = self._keeper.begin(replica=lane.index, crowded=lambda: self.crowded(lane))
        await self._probe(lane.index)
        self._keeper.end()
        return turn.links
