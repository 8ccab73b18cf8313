"""A project whose scenarios explore a race of two increments on an in-memory server."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from overbooked.histories.history import History
from overbooked.interleavings.footprinter import Footprinter
from overbooked.interleavings.footprints.resources import EVERYTHING, Footprint
from overbooked.interleavings.scheduler.actor_state import ExecutedStep
from overbooked.interleavings.scheduler.controller import LearnedBehaviour, ScheduleRun, Timeouts
from overbooked.interleavings.scheduler.race import Race, RaceResult
from overbooked.interleavings.search.schedule import Step
from overbooked.plugin import explorer_factory as exploring
from tests.interleavings.fake_database import FAST, Program, Server, SimulatedLink, play

from .conftest import Project

CONFTEST = """
from pathlib import Path
from types import SimpleNamespace
import pytest
from tests.plugin.toy_stack import factory
from tests.cli.racing import GATED

@pytest.fixture(scope="session")
def stack_factory():
    make = factory(Path({diary!r}))

    def gated(variant):
        stack = make(variant)
        stack.links = GATED
        return stack

    return gated

@pytest.fixture
def system(stack, seed):
    Path({seeds!r}).open("a").write(f"{{seed}}\\n")
    client = SimpleNamespace(urls=["http://127.0.0.1:1"])
    return SimpleNamespace(client=client, recorder=SimpleNamespace(now=lambda: 0.0), history=(), stack=stack)
"""

SCENARIOS = """
import pytest
from overbooked import GapFound, gap
from overbooked.catalog.model import Means
from overbooked.verdicts.exercise import Exercise
from overbooked.interleavings.scheduler.actors import Actor
from types import SimpleNamespace

class Counts:
    # What an actor does: the runner counts on a server of its own and leaves that here.

    def __init__(self, locking):
        self.locking = locking
        self.server = None

    async def __call__(self, replica):
        return None

async def two(system, judge):
    while True:
        counts = Counts(system.stack.mutant is None)
        ran = yield [Actor("ana", "count", counts), Actor("ben", "count", counts)]
        with judge("SYS-03.a"):
            if counts.server.data["x"] < len(ran.race.actors):
                raise GapFound("an increment is lost", expected="each counts", observed="one did not",
                               operations=["mail to ana@example.com"])

@gap("SYS-03.a")
async def test_counting(explorer, system, judge):
    await explorer.explore(two, system, judge, name="first")
    await explorer.explore(two, system, judge, name="second")

@pytest.fixture
def bursts(judge):
    judge.exercised(Exercise(Means.BURSTS, 1))

@gap("SYS-03.c")
async def test_bursts(stack, judge, bursts):
    judge.count("rounds")
"""

GATED = {"app->postgres": SimulatedLink()}


def increments(server: Server, *, locking: bool) -> Program:
    session = server.session()

    async def program() -> None:
        await session.begin()
        seen = await (session.lock("x") if locking else session.read("x"))
        await session.write("x", seen + 1)
        await session.commit()

    return program


class MemoryStage:
    """Runs schedules of increments on its own server."""

    def __init__(self, *_: Any, limits: Timeouts | None = None, **__: Any) -> None:
        self.limits = limits

    async def close(self) -> None:
        """Do nothing: nothing was opened."""

    async def run(
        self, race: Race, choose: Any, *, experience: LearnedBehaviour, learning: bool = False
    ) -> tuple[RaceResult, ScheduleRun]:
        server = Server()
        counts: Any = race.actors[0].does
        programs = [increments(server, locking=counts.locking) for _ in race.actors]
        limits = FAST if self.limits is None else Timeouts(**{**_fields(FAST), "schedule_s": 30.0})
        done = await play(
            server, *programs, choose=choose, experience=experience, learning=learning, limits=limits
        )
        counts.server = server
        return RaceResult(race, [None, None], History(()), done.trace), done


def _fields(limits: Timeouts) -> dict[str, float]:
    return {name: getattr(limits, name) for name in limits.__slots__}


class Coarse(Footprinter):
    """Treats all steps as dependent on each other."""

    def __init__(self, *_: Any, **__: Any) -> None:
        """Ignore all arguments."""

    async def ready(self) -> None:
        await asyncio.sleep(0)

    def harmless(self, boundary: Any) -> bool:
        return False

    def of(self, steps: Sequence[ExecutedStep]) -> list[Footprint]:
        return [EVERYTHING for _ in steps]

    def steps(self, steps: Sequence[ExecutedStep]) -> list[Step]:
        return [
            Step(one.lane, one.enabled, EVERYTHING, blocked_until=one.blocked_until, yields=one.yields)
            for one in steps
        ]


def prepare(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Make a project's scenarios explore."""
    folder = project.root / "scenarios"
    diary, seeds = project.root.parent / "diary", project.root.parent / "seeds"
    (folder / "conftest.py").write_text(CONFTEST.format(diary=str(diary), seeds=str(seeds)))
    (folder / "test_races.py").write_text(SCENARIOS)
    monkeypatch.setattr(exploring, "ScheduleRunner", MemoryStage)
    monkeypatch.setattr(exploring, "Footprinter", Coarse)
    monkeypatch.setattr(exploring, "HostPolicy", lambda *_: SimpleNamespace(burst=lambda _: None))
    return project


def diary(project: Project) -> list[str]:
    """Return the recorded calls to the stack."""
    return (project.root.parent / "diary").read_text().splitlines()


def seeds(project: Project) -> list[str]:
    """Return the seeds of the scenarios."""
    return (project.root.parent / "seeds").read_text().split()
