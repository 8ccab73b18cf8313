"""A project whose scenario registers and sweeps journeys of an in-memory toll stack."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from overbooked.cli.commands import sweep
from overbooked.errors import HarnessError, SystemDied
from overbooked.stacks import kinds
from tests.interleavings.fake_gate import TollJourney, TollStack

from .conftest import Project

SCENARIO = "scenarios/test_tolls.py::test_a_toll"
CONFTEST = """
import pytest
from tests.cli import tolls
from tests.plugin.toy_stack import TOOLS

@pytest.fixture(scope="session")
def stack_factory():
    return tolls.BOOTH.stack_of
"""
SCENARIOS = """
from overbooked.scenario import gap, swept
from tests.cli import tolls

@swept("toll", "SYS-03")
def toll(system):
    return tolls.BOOTH.journey(system)

@swept("detour", "SYS-03")
def detour(system):
    journey = tolls.BOOTH.journey(system)
    journey.name = "detour"
    return journey

@gap("SYS-03.c")
async def test_something_else(judge):
    judge.count("rounds")

@gap("SYS-03.c")
async def test_a_toll(sweeps, system):
    await sweeps.sweep(toll(system), {"money": "SYS-03.c"})
"""


class TollStackOfRun(TollStack):
    """A toll stack that records calls and can be used as a session's stack."""

    id = "toll"
    mutant: str | None = None
    died: HarnessError | SystemDied | None = None
    diary: Path

    async def start(self) -> None:
        self.write("start")

    async def renew(self, *, mutant: str | None) -> None:
        self.mutant = mutant

    async def heal(self) -> None:
        """Do nothing: every fault is healed by its injector."""

    async def check(self) -> None:
        if self.died is not None:
            raise self.died

    async def close(self) -> None:
        self.write("close")

    def log_tail(self, _process: str, _lines: int = 40) -> list[str]:
        return []

    def write(self, line: str) -> None:
        with self.diary.open("a") as diary:
            diary.write(line + "\n")


class _System:
    async def close(self) -> None: ...


@dataclass
class Booth:
    """The journeys that the project's scenario sweeps; tests change it between two calls."""

    stack: TollStackOfRun
    recovers: bool = True
    kind: type[TollJourney] = TollJourney
    made: list[TollJourney] = field(default_factory=list)
    on_make: Callable[[], None] = lambda: None

    def journey(self, _system: object) -> TollJourney:
        self.on_make()
        self.made.append(self.kind(self.stack, recovers=self.recovers))
        return self.made[-1]

    def stack_of(self, variant: Any) -> TollStackOfRun:
        self.stack.mutant = variant.mutant
        return self.stack

    @property
    def diary(self) -> list[str]:
        return self.stack.diary.read_text().splitlines() if self.stack.diary.exists() else []


BOOTH: Booth


def prepare(project: Project, monkeypatch: pytest.MonkeyPatch) -> Booth:
    """Add the scenario to the project and replace the real stack by the toll stack."""
    global BOOTH  # noqa: PLW0603 - the scenario of the project imports it
    stack = TollStackOfRun()
    stack.diary = project.root.parent / "diary"
    BOOTH = Booth(stack)
    tools = (project.root / "scenarios" / "conftest.py").read_text().partition("# Stand-ins")[0]
    end = tools.index("from overbooked.catalog.model")
    (project.root / "scenarios" / "conftest.py").write_text(CONFTEST + tools[end:])
    (project.root / "scenarios" / "test_tolls.py").write_text(SCENARIOS)
    monkeypatch.setattr(kinds, "make_stack", lambda *_args, **_named: stack)

    async def bound(*_: object, **__: object) -> _System:
        return _System()

    monkeypatch.setattr(sweep, "bind", bound)
    return BOOTH
