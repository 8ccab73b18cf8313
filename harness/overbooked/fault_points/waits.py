"""Runs that wait for time-outs: several together, because each takes seconds of doing nothing.

A stalled message delays one call of the service. A silence lasts until the service's own retries of the call
are over: every message on the link is left unanswered, from the moment at which the first caller gives up, or
every run of the group has met its fault, until all of them have ended.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Protocol

from overbooked.errors import HarnessError
from overbooked.fault_points.gatekeeper import RecordedRun, SweepGatekeeper
from overbooked.fault_points.points import SILENCES
from overbooked.fault_points.replicas import Replica, ReplicaPool
from overbooked.fault_points.sweep_run import SweepRun

STALLED_TOGETHER = 10
# Enough for a journey in which every step is retried after the longest timeouts of a service.
PLAY_S = 60.0
# The longest silence; longer than the retries of one request of a service.
SILENT_S = 30.0
# Another stalled run starts only while the first one has used less than this share of a stall's duration.
_SHARE_OF_STALL = 0.6


class RunStarter(Protocol):
    """Starts single runs; `Sweeper` is one."""

    @property
    def keeper(self) -> SweepGatekeeper:
        """The gatekeeper of the links."""

    @property
    def lanes(self) -> ReplicaPool:
        """The replicas."""

    def announce(self, run: SweepRun) -> None:
        """Report that a run begins."""

    def playing(self, run: SweepRun, lane: Replica) -> tuple[RecordedRun, asyncio.Task[None]]:
        """Start a run on a replica."""

    def over(self, run: SweepRun, lane: Replica, turn: RecordedRun) -> None:
        """Record the result of a run whose fault was injected."""


class Waits:
    """Starts the waiting runs of one sweep, and waits for them."""

    def __init__(self, sweeper: RunStarter) -> None:
        self._sweeper = sweeper
        self._stall_s: dict[str, float] = {}

    async def run(self, runs: Sequence[SweepRun]) -> None:
        """Run the stalled and the silenced ones of these runs, link by link; the others are left out."""
        for link in dict.fromkeys(run.plan.point.link for run in runs if run.plan):
            there = [run for run in runs if run.plan is not None and run.plan.point.link == link]
            silenced = [run for run in there if run.plan is not None and run.plan.kind in SILENCES]
            await self._stalled([run for run in there if run not in silenced], link)
            await self._silenced(silenced, link)

    async def _stalled(self, runs: Sequence[SweepRun], link: str) -> None:
        """Stall several runs on one link concurrently; the first alone, to measure how long a stall lasts."""
        waiting = list(runs)
        while waiting:
            begun = time.monotonic()
            together: list[asyncio.Task[None]] = []
            while waiting and len(together) < STALLED_TOGETHER:
                together.append(await self._begun(waiting.pop(0), await self._sweeper.lanes.take()))
                if time.monotonic() - begun > self._stall_s.get(link, 0.0) * _SHARE_OF_STALL:
                    break
            await asyncio.wait(together, timeout=PLAY_S)
            for task in together:
                await ended(task)
            if link not in self._stall_s:
                self._stall_s[link] = time.monotonic() - begun

    async def _silenced(self, runs: Sequence[SweepRun], link: str) -> None:
        """Silence a link for groups of runs, each at its own point, until they have ended."""
        waiting = list(runs)
        keeper, lanes = self._sweeper.keeper, self._sweeper.lanes
        while waiting:
            # A probe would wait on the silent link, so that every replica is seen normal before.
            normal = await lanes.all_normal()
            together: list[asyncio.Task[None]] = []
            while waiting and len(together) < STALLED_TOGETHER and not keeper.is_silent(link):
                lane = normal[len(together) % len(normal)]
                together.append(await self._begun(waiting.pop(0), lane))
            keeper.silence(link)
            await asyncio.wait(together, timeout=SILENT_S)
            keeper.heal()
            await asyncio.wait(together, timeout=PLAY_S)
            lanes.doubt_all()
            for task in together:
                await ended(task)

    async def _begun(self, run: SweepRun, lane: Replica) -> asyncio.Task[None]:
        """Start a run and wait until its fault is injected; return the task that finishes it."""
        self._sweeper.announce(run)
        await run.trial.ready()
        turn, task = self._sweeper.playing(run, lane)
        deadline = time.monotonic() + PLAY_S
        while not (turn.struck or turn.refused or turn.failed or task.done()):
            turn.news.clear()
            news = asyncio.ensure_future(turn.news.wait())
            await asyncio.wait(
                {news, task}, return_when=asyncio.FIRST_COMPLETED, timeout=deadline - time.monotonic()
            )
            news.cancel()
            if time.monotonic() > deadline:
                raise HarnessError(f"a run neither met its fault nor ended within {PLAY_S:g} s: {run.plan}")
        self._sweeper.over(run, lane, turn)
        await run.trial.glance()
        return task


async def ended(task: asyncio.Task[None]) -> None:
    """Return if a run succeeded; re-raise its exception, GapFound included.

    Raises:
        HarnessError: the run has not ended; it is cancelled.
    """
    if not task.done():
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        raise HarnessError(f"a stalled run did not end within {PLAY_S:g} s")
    await task
