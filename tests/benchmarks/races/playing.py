"""Plays rounds of fresh races in turn until something is found or the time is up."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from itertools import cycle

from overbooked.errors import GapFound, HarnessError
from overbooked.interleavings.race_source import RaceSource
from overbooked.interleavings.scheduler.race import RaceResult
from overbooked.system.system import System
from tests.benchmarks.races.collecting import Stated
from tests.benchmarks.races.crowds import Crowd
from tests.benchmarks.races.trials import Hunt
from tests.benchmarks.races.ways import Way


async def play(stated: Sequence[Stated], system: System, crowd: Crowd, way: Way, *, allowed_s: float) -> Hunt:
    """Play rounds, each with its checks.

    A round that begins in time is aborted after twice that time. A round in which the harness or the adapter
    failed is undecided, and the next one begins.
    """
    begun = time.monotonic()
    rounds = undecided = 0
    why = ""
    for one in cycle(stated):
        spent = time.monotonic() - begun
        if spent >= allowed_s:
            break
        rounds += 1
        try:
            async with asyncio.timeout(2 * allowed_s - spent):
                await _round(one, system, crowd, way)
        except TimeoutError:
            undecided += 1
            why = f"a round was broken off after twice {allowed_s:.1f} s"
        except GapFound as found:
            return Hunt(time.monotonic() - begun, rounds, one.name, found.what, undecided, why)
        except HarnessError as error:
            undecided += 1
            why = f"{type(error).__name__}: {error}"
    return Hunt(time.monotonic() - begun, rounds, undecided=undecided, why=why)


async def _round(stated: Stated, system: System, crowd: Crowd, way: Way) -> None:
    """Play one round; raises GapFound."""
    begun = system.recorder.now()
    races = await crowd.races(lambda: stated.source(system.recorder.now))
    try:
        answers = await way([actor for _, race in races for actor in race.actors])
        history = system.history_since(begun)
        for source, race in races:
            own, answers = answers[: len(race.actors)], answers[len(race.actors) :]
            await judge(source, RaceResult(race, own, history))
    finally:
        for source, _ in races:
            await source.close()


async def judge(source: RaceSource, ran: RaceResult) -> None:
    """Let the race judge a result; raises the first GapFound."""
    for _, gap in (await source.judge(ran)).found:
        raise gap
