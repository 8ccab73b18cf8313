"""Hunting in rounds: the races take turns, each round a fresh one, until something is found or time is up."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from inspect import isawaitable
from itertools import cycle

from overbooked.errors import GapFound, HarnessError
from overbooked.interleavings.scheduler.race import Ran
from overbooked.targets.system import System
from overbooked.traces.trace import Trace
from tests.benchmarks.races.collecting import Stated
from tests.benchmarks.races.crowds import Crowd
from tests.benchmarks.races.trials import Hunt
from tests.benchmarks.races.ways import Way

# Nobody watches these rounds at the wire.
_UNSEEN = Trace(actors=(), steps=())


async def play(stated: Sequence[Stated], system: System, crowd: Crowd, way: Way, *, allowed_s: float) -> Hunt:
    """Play round after round, each with its checks.

    A round that begins in time may take twice that time, and is broken off then. One in which the harness or
    the adapter failed is undecided, and the next one begins.
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
    races = await crowd.races(stated.make_race)
    answers = await way([actor for race in races for actor in race.cast])
    history = system.history_since(begun)
    for race in races:
        own, answers = answers[: len(race.actors)], answers[len(race.actors) :]
        await judge(Ran(race, own, history, _UNSEEN))


async def judge(ran: Ran) -> None:
    """Do the race's own checks; raises the GapFound of the first that finds something."""
    for check in ran.race.always:
        checked = check(ran)
        if isawaitable(checked):
            await checked
