"""A project whose scenarios explore a race of two increments, on a server in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from overbooked.histories.history import History
from overbooked.interleavings.footprinter import Footprinting
from overbooked.interleavings.footprints.resources import EVERYTHING, Footprint
from overbooked.interleavings.scheduler.actor_state import Stepping
from overbooked.interleavings.scheduler.controller import Experience, Limits, Scheduled
from overbooked.interleavings.scheduler.race import Race, Ran
from overbooked.interleavings.search.schedule import Step
from overbooked.plugin import explorer_factory as exploring
from tests.explore.simulated import FAST, Program, Server, SimulatedLink, play

from .conftest import Project

CONFTEST = """
from pathlib import Path
from types import SimpleNamespace
import pytest
from tests.bookkeeping.toy import factory
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
from overbooked.interleavings.scheduler.race import Race

async def nothing(replica):
    return None

def counted(ran):
    if ran.facts["server"].data["x"] < len(ran.race.actors):
        raise GapFound("an increment is lost", expected="each counts", observed="one did not",
                       operations=["mail to ana@example.com"])

@gap("SYS-03.a")
async def test_counting(explore, system):
    async def two():
        actors = [Actor("ana", "count", nothing), Actor("ben", "count", nothing)]
        return Race(actors, always=[counted], facts={"locking": system.stack.mutant is None})

    await explore.interleavings(two, name="first")
    await explore.interleavings(two, name="second")

@pytest.fixture
def races(judge):
    judge.exercised(Exercise(Means.BURSTS, 1))

@gap("SYS-03.c")
async def test_bursts(stack, judge, races):
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
    """Runs schedules of increments on a server of its own."""

    def __init__(self, *_: Any, limits: Limits | None = None, **__: Any) -> None:
        self.limits = limits

    async def close(self) -> None:
        """Nothing was opened."""

    async def run(
        self, race: Race, choose: Any, *, begun: float, experience: Experience, learning: bool = False
    ) -> tuple[Ran, Scheduled]:
        server = Server()
        programs = [increments(server, locking=bool(race.facts.get("locking"))) for _ in race.actors]
        limits = FAST if self.limits is None else Limits(**{**_fields(FAST), "schedule_s": 30.0})
        done = await play(
            server, *programs, choose=choose, experience=experience, learning=learning, limits=limits
        )
        told = Race(race.actors, race.always, facts={**race.facts, "server": server})
        return Ran(told, [None, None], History(()), done.trace), done


def _fields(limits: Limits) -> dict[str, float]:
    return {name: getattr(limits, name) for name in limits.__slots__}


class Coarse(Footprinting):
    """Everything depends on everything."""

    def __init__(self, *_: Any, **__: Any) -> None:
        """Nothing has to be known."""

    async def ready(self) -> None:
        await asyncio.sleep(0)

    def harmless(self, boundary: Any) -> bool:
        return False

    def of(self, steps: Sequence[Stepping]) -> list[Footprint]:
        return [EVERYTHING for _ in steps]

    def steps(self, steps: Sequence[Stepping]) -> list[Step]:
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
    monkeypatch.setattr(exploring, "Stage", MemoryStage)
    monkeypatch.setattr(exploring, "Footprinting", Coarse)
    monkeypatch.setattr(exploring, "Aim", lambda *_: SimpleNamespace(burst=lambda _: None))
    return project


def diary(project: Project) -> list[str]:
    """What was done to the stack."""
    return (project.root.parent / "diary").read_text().splitlines()


def seeds(project: Project) -> list[str]:
    """The seeds that scenarios had."""
    return (project.root.parent / "seeds").read_text().split()
