"""Restarts the replicas of a service after a fault, and waits until they are back to normal.

After a fault a pool may be empty, or a service may avoid a part that failed; the next fault must not be
injected in that state. A replica is back to normal when a small request crosses every link that it crossed at
the start.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from overbooked.errors import DeadlineExceeded, HarnessError
from overbooked.fault_points.gatekeeper import SweepGatekeeper
from overbooked.stacks.base.protocol import Process, Stack

_NORMAL_S = 30.0
_POLL_S = 0.02

Probe = Callable[[int], Awaitable[None]]


@dataclass(slots=True)
class Replica:
    """One replica.

    Args:
        process: its process; None if the harness did not start it.
        baseline: the links that a probe crosses without a fault.
        doubtful: whether a fault was injected since the replica was last seen normal.
        fresh: whether it was restarted since, so that its connections are not known yet.
        starting: the start in progress, if any.
    """

    index: int
    process: Process | None
    baseline: frozenset[str] = frozenset()
    doubtful: bool = False
    fresh: bool = False
    starting: asyncio.Task[None] | None = None

    def kill(self) -> None:
        """Send SIGKILL to the process. May be called from any thread.

        Raises:
            HarnessError: the process does not run, or survived the signal.
        """
        if self.process is None or not self.process.alive():
            raise HarnessError(f"replica {self.index} cannot be killed: it does not run")
        self.process.kill()
        if self.process.alive():
            raise HarnessError(f"{self.process.name} survived SIGKILL")


class ReplicaPool:
    """The replicas of a stack, used in turn.

    Args:
        stack: the stack of the replicas.
        keeper: records the boundaries that a probe crosses.
        probe: sends a small request to a replica.
        only: the index of the only replica to use; None: all in turn.
    """

    def __init__(
        self, stack: Stack, keeper: SweepGatekeeper, probe: Probe, *, only: int | None = None
    ) -> None:
        self.all = [Replica(n, stack.processes.get(name)) for n, name in enumerate(stack.replicas)]
        self._keeper = keeper
        self._probe = probe
        self._usable = self.all if only is None else [self.all[only % len(self.all)]]
        self._last = len(self._usable) - 1

    @property
    def usable(self) -> list[Replica]:
        """The replicas that are used."""
        return self._usable

    @property
    def killable(self) -> bool:
        """Whether the harness started every replica."""
        return all(lane.process is not None for lane in self.all)

    async def learn(self) -> None:
        """Record the links that a probe of each replica crosses; call it before the first fault."""
        for lane in self.all:
            await self._crossed(lane)  # the first request may fill caches
            lane.baseline = await self._crossed(lane)

    async def take(self) -> Replica:
        """Wait for the next replica that is back to normal, and return it.

        Raises:
            DeadlineExceeded: no replica is back to normal in time.
        """
        deadline = time.monotonic() + _NORMAL_S
        while True:
            for turn in range(1, len(self._usable) + 1):
                place = (self._last + turn) % len(self._usable)
                if await self._is_normal(self._usable[place]):
                    self._last = place
                    return self._usable[place]
            if time.monotonic() > deadline:
                raise DeadlineExceeded(
                    f"no replica was back to normal within {_NORMAL_S:g} s of the last fault: a probe does "
                    f"not cross {', '.join(sorted(self._usable[0].baseline)) or 'anything'}"
                )
            starting = [lane.starting for lane in self._usable if lane.starting is not None]
            if starting:
                # New connections cannot be told from the starting replica's; a start has its own time limit.
                deadline = time.monotonic() + _NORMAL_S
            if len(starting) == len(self._usable):
                await asyncio.wait(starting, return_when=asyncio.FIRST_COMPLETED, timeout=_NORMAL_S)
            else:
                await asyncio.sleep(_POLL_S)  # a service does not announce when it retries

    async def all_normal(self) -> list[Replica]:
        """Wait until every replica that is used is back to normal, and return them.

        Raises:
            DeadlineExceeded: one is not back to normal in time.
        """
        await self.all_up()
        normal: list[Replica] = []
        while len(normal) < len(self._usable):
            lane = await self.take()
            if lane not in normal:
                normal.append(lane)
        return normal

    def doubt_all(self) -> None:
        """Use no replica again before it is seen to be back to normal."""
        for lane in self.all:
            lane.doubtful = True

    def restart_dead(self) -> None:
        """Start restarting killed replicas; the others are used meanwhile."""
        for lane in self.all:
            if lane.process is not None and lane.starting is None and not lane.process.alive():
                lane.starting = asyncio.create_task(lane.process.start())
                lane.doubtful = lane.fresh = True

    def crowded(self, lane: Replica) -> bool:
        """Return whether another replica is starting. May be called from any thread."""
        return any(
            other.starting is not None and not other.starting.done()
            for other in self.all
            if other is not lane
        )

    async def all_up(self) -> None:
        """Wait until every replica runs.

        Raises:
            StackError: a replica did not start.
        """
        self.restart_dead()
        for lane in self.all:
            await self._started(lane)

    async def close(self) -> None:
        """Wait until starts in progress have ended."""
        starting = [lane.starting for lane in self.all if lane.starting is not None]
        await asyncio.gather(*starting, return_exceptions=True)

    async def _started(self, lane: Replica) -> None:
        if lane.starting is not None:
            starting, lane.starting = lane.starting, None
            await starting

    async def _is_normal(self, lane: Replica) -> bool:
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

    async def _crossed(self, lane: Replica) -> frozenset[str]:
        turn = self._keeper.begin(replica=lane.index, crowded=lambda: self.crowded(lane))
        await self._probe(lane.index)
        self._keeper.end()
        return turn.links
