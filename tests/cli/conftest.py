"""A project with toy stacks, and the command line called in it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from overbooked.cli.entry import perform
from tests.plugin.toy_stack import TOOLS

REPOSITORY = Path(__file__).parents[2]

SETTINGS = """
workers = 0
scenarios = ["scenarios"]
seed = 7

[target]
descriptor = "toy.toml"

[stack]
kind = "embedded"

# The toy's scenarios show nothing by interleavings and fault points.
[profiles.quick]
means = ["bursts", "toxics", "process", "properties", "matrix", "journey", "measure"]
"""

DESCRIPTOR = """
name = "toy"
adapter = "tests.plugin.toy_stack:Adapter"

[mutants]
list = ["{python}", "-c", "print('[\\"SYS-03.1\\", \\"SYS-03.2\\", \\"SYS-03.5\\"]')"]
serve = ["true"]
"""

CONFTEST = (
    """
from pathlib import Path
import pytest
from tests.plugin.toy_stack import factory

@pytest.fixture(scope="session")
def stack_factory():
    return factory(Path({diary!r}))
"""
    + TOOLS
)

# Every mutant of SYS-03 in the toy opens the clauses that it breaks.
SCENARIOS = """
from overbooked import GapFound, gap

BREAKS = {
    "SYS-03.c": {"SYS-03.1", "SYS-03.2"},
    "SYS-03.d": {"SYS-03.1", "SYS-03.2", "SYS-03.5"},
    "SYS-03.e": {"SYS-03.1", "SYS-03.2", "SYS-03.5"},
}

def look(stack, clause):
    if stack.mutant in BREAKS[clause]:
        raise GapFound("sold at most once", expected="1 booking", observed="2 bookings",
                       operations=["ana books", "ben books"])

@gap("SYS-03.c")
async def test_the_last_place(stack, judge):
    judge.count("rounds", 3)
    look(stack, "SYS-03.c")

@gap("SYS-03.d", "SYS-03.e")
async def test_a_mix(stack, judge):
    judge.count("rounds", 2)
    for clause in ("SYS-03.d", "SYS-03.e"):
        with judge(clause):
            look(stack, clause)
"""


@dataclass(frozen=True)
class Called:
    """The result of one call."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Project:
    """A folder with settings, a descriptor and scenarios."""

    root: Path
    call: Callable[..., Called]

    @property
    def reports(self) -> Path:
        return self.root / "reports" / "out"

    def scenario(self, name: str, source: str) -> None:
        (self.root / "scenarios" / f"test_{name}.py").write_text("from overbooked import *\n" + source)

    def runs(self) -> list[Path]:
        return sorted(path for path in self.reports.iterdir() if path.is_dir() and not path.is_symlink())


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Project:
    root = tmp_path / "project"
    (root / "scenarios").mkdir(parents=True)
    (root / "overbooked.toml").write_text(SETTINGS)
    (root / "toy.toml").write_text(DESCRIPTOR)
    (root / "scenarios" / "conftest.py").write_text(CONFTEST.format(diary=str(tmp_path / "diary")))
    (root / "scenarios" / "test_races.py").write_text(SCENARIOS)
    for name in [name for name in os.environ if name.startswith("OVERBOOKED_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(root)
    monkeypatch.syspath_prepend(str(REPOSITORY))
    # A session of the command line is independent of the xdist workers of the testing session.
    for name in [name for name in os.environ if name.startswith("PYTEST_XDIST")]:
        monkeypatch.delenv(name)

    def call(*arguments: str) -> Called:
        known = set(sys.modules)
        capfd.readouterr()
        code = perform(arguments)
        captured = capfd.readouterr()
        for name in set(sys.modules) - known:
            if name.startswith(("test_", "conftest")):
                del sys.modules[name]
        return Called(code, captured.out, captured.err)

    return Project(root, call)
