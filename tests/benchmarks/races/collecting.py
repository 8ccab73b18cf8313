"""Collects the races of scenarios without exploring them.

A scenario that explores is called with a `Collector` in place of its `explorer` fixture, which stores the
race instead of exploring it. So every method uses the same races and checks, and no race is written twice.
"""

from __future__ import annotations

import inspect
import itertools
import pkgutil
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from types import ModuleType
from typing import Any

import pytest

import scenarios
from overbooked.interleavings.race_source import RaceSource
from overbooked.interleavings.results import ExplorationResult
from overbooked.interleavings.scheduler.race import RaceFunction
from overbooked.marker import MARKER
from overbooked.system.system import System
from overbooked.verdicts.judge import Judge

Run = Callable[..., Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Stated:
    """One race of a scenario.

    Args:
        name: the scenario's, its case's and the race's, e.g. `test_sys_03...[2] race`.
        clause: the clause that it is explored for; "": the scenario's only one.
        race: the race function, with its `args`.
        bound: the scenario's options for the exploration (`preemptions`, `reduce`, `schedules`).
    """

    name: str
    clause: str
    race: RaceFunction
    args: Sequence[object] = ()
    bound: Mapping[str, Any] = field(default_factory=dict)

    def source(self, now: Callable[[], float]) -> RaceSource:
        """Return a source of its races; `now` is the clock of the system's recorder."""
        return RaceSource(self.race, self.args, now)


class Collector:
    """Replaces `overbooked.interleavings.explorer.Explorer` and stores the races that it should explore.

    Args:
        scenario: the scenario of these races.
        clause: the scenario's clause if a race names none.
    """

    def __init__(self, scenario: str, clause: str = "") -> None:
        self.stated: list[Stated] = []
        self._scenario = scenario
        self._clause = clause

    async def explore(
        self,
        race: RaceFunction,
        *args: object,
        clause: str | None = None,
        name: str = "",
        preemptions: int | None = None,
        reduce: bool = True,
        schedules: int | None = None,
    ) -> ExplorationResult:
        """Store the race; nothing is run."""
        said = name or getattr(race, "__name__", "race")
        bound = {"preemptions": preemptions, "reduce": reduce, "schedules": schedules}
        self.stated.append(Stated(f"{self._scenario} {said}", clause or self._clause, race, args, bound))
        return ExplorationResult(actors=0, bound=preemptions, reduced=reduce)


@dataclass(frozen=True, slots=True)
class Exploring:
    """One case of a scenario that explores: its function and the values of its parameters."""

    name: str
    clauses: tuple[str, ...]
    function: Run
    values: Mapping[str, Any]
    uses: frozenset[str] = frozenset()

    async def races(self, system: System, clauses: Sequence[str]) -> list[Stated]:
        """Return its races for some clauses, created on a system that it may prepare."""
        collector = Collector(self.name, self.clauses[0])
        wanted = inspect.signature(self.function).parameters
        if "held_deliveries" in self.uses:
            await system.webhooks.hold_deliveries(True)
        given = {"system": system, "explorer": collector, "judge": Judge(self.clauses, self.name)}
        if "ana" in wanted:
            (given["ana"],) = await system.customers(1)
        given |= self.values
        await self.function(**{name: given[name] for name in wanted})
        return [one for one in collector.stated if one.clause in clauses]


def exploring(package: ModuleType = scenarios) -> Iterator[Exploring]:
    """Yield every case of every scenario of a package that explores, in order of definition."""
    for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if not found.name.rpartition(".")[2].startswith("test_"):
            continue
        module = import_module(found.name)
        marks = getattr(module, "pytestmark", [])
        shared = marks if isinstance(marks, list) else [marks]
        for name, function in vars(module).items():
            if name.startswith("test_") and "explorer" in inspect.signature(function).parameters:
                yield from _cases(name, function, shared)


async def races_of(system: System, clauses: Sequence[str], cases: Iterable[Exploring]) -> list[Stated]:
    """Return the races that are explored for some clauses (full names), in order."""
    found: list[Stated] = []
    for case in cases:
        if set(case.clauses) & set(clauses):
            found += await case.races(system, clauses)
    return found


def _cases(name: str, function: Run, shared: Sequence[pytest.MarkDecorator]) -> Iterator[Exploring]:
    marks: list[pytest.Mark] = [*getattr(function, "pytestmark", []), *(each.mark for each in shared)]
    uses = frozenset(fixture for mark in marks if mark.name == "usefixtures" for fixture in mark.args)
    clauses = tuple(clause for mark in marks if mark.name == MARKER for clause in mark.args)
    if not clauses:
        return
    tables = [list(_table(mark)) for mark in reversed(marks) if mark.name == "parametrize"]
    for rows in itertools.product(*tables):
        label = "-".join(case for case, _ in rows)
        values = {key: value for _, row in rows for key, value in row.items()}
        yield Exploring(f"{name}[{label}]" if label else name, clauses, function, values, uses)


def _table(mark: pytest.Mark) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the cases of one `parametrize`: id and values of each."""
    names, rows = mark.args[:2]
    keys = [name.strip() for name in names.split(",")] if isinstance(names, str) else list(names)
    labels = mark.kwargs.get("ids")
    for number, row in enumerate(rows):
        values = row.values if hasattr(row, "values") and hasattr(row, "marks") else row
        listed = [values] if len(keys) == 1 and not hasattr(row, "marks") else list(values)
        label = labels[number] if labels else "-".join(map(str, listed))
        yield str(label), dict(zip(keys, listed, strict=True))
