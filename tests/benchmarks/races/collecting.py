"""The races that scenarios state, taken from them without exploring anything.

A scenario that explores is called with a `Collector` in the place of its `explore` fixture: what it would
have explored is kept instead. So every method hunts on the same races, judged by the same checks, and no
race is written twice.
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
from overbooked.interleavings.results import Explored
from overbooked.interleavings.scheduler.race import MakeRace
from overbooked.marker import MARKER
from overbooked.targets.system import System

Run = Callable[..., Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Stated:
    """One race as a scenario states it.

    Args:
        name: the scenario's, its case's and the race's, e.g. `test_sys_03...[2] race`.
        clause: what it is explored for; "": the scenario's only one.
        make_race: prepares it afresh.
        bound: what the scenario says of the exploration itself (`preemptions`, `reduce`, `schedules`).
    """

    name: str
    clause: str
    make_race: MakeRace
    bound: Mapping[str, Any] = field(default_factory=dict)


class Collector:
    """Stands in for `overbooked.interleavings.explorer.Explore` and keeps what it is asked to explore.

    Args:
        scenario: whose races these are.
        clause: the scenario's own, where it names none.
    """

    def __init__(self, scenario: str, clause: str = "") -> None:
        self.stated: list[Stated] = []
        self._scenario = scenario
        self._clause = clause

    async def interleavings(
        self,
        make_race: MakeRace,
        *,
        clause: str | None = None,
        name: str = "",
        preemptions: int | None = None,
        reduce: bool = True,
        schedules: int | None = None,
    ) -> Explored:
        """Keep the race; nothing is run, so nothing was found."""
        said = name or getattr(make_race, "__name__", "race")
        bound = {"preemptions": preemptions, "reduce": reduce, "schedules": schedules}
        self.stated.append(Stated(f"{self._scenario} {said}", clause or self._clause, make_race, bound))
        return Explored(actors=0, bound=preemptions, reduced=reduce)


@dataclass(frozen=True, slots=True)
class Exploring:
    """One case of a scenario that explores: its function and the values of its parameters."""

    name: str
    clauses: tuple[str, ...]
    function: Run
    values: Mapping[str, Any]

    async def races(self, system: System, clauses: Sequence[str]) -> list[Stated]:
        """The races it states for some clauses, made on a system that it may prepare."""
        collector = Collector(self.name, self.clauses[0])
        given = {"system": system, "explore": collector, **self.values}
        await self.function(**{name: given[name] for name in inspect.signature(self.function).parameters})
        return [one for one in collector.stated if one.clause in clauses]


def exploring(package: ModuleType = scenarios) -> Iterator[Exploring]:
    """Every case of every scenario of a package that explores, in the order they are written."""
    for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if not found.name.rpartition(".")[2].startswith("test_"):
            continue
        for name, function in vars(import_module(found.name)).items():
            if name.startswith("test_") and "explore" in inspect.signature(function).parameters:
                yield from _cases(name, function)


async def races_of(system: System, clauses: Sequence[str], cases: Iterable[Exploring]) -> list[Stated]:
    """The races that are explored for some clauses (full names), in order."""
    found: list[Stated] = []
    for case in cases:
        if set(case.clauses) & set(clauses):
            found += await case.races(system, clauses)
    return found


def _cases(name: str, function: Run) -> Iterator[Exploring]:
    marks: list[pytest.Mark] = getattr(function, "pytestmark", [])
    clauses = tuple(clause for mark in marks if mark.name == MARKER for clause in mark.args)
    if not clauses:
        return
    tables = [list(_table(mark)) for mark in reversed(marks) if mark.name == "parametrize"]
    for rows in itertools.product(*tables):
        label = "-".join(case for case, _ in rows)
        values = {key: value for _, row in rows for key, value in row.items()}
        yield Exploring(f"{name}[{label}]" if label else name, clauses, function, values)


def _table(mark: pytest.Mark) -> Iterator[tuple[str, dict[str, Any]]]:
    """The cases of one `parametrize`: what each is called and the values it gives."""
    names, rows = mark.args[:2]
    keys = [name.strip() for name in names.split(",")] if isinstance(names, str) else list(names)
    labels = mark.kwargs.get("ids")
    for number, row in enumerate(rows):
        values = row.values if hasattr(row, "values") and hasattr(row, "marks") else row
        listed = [values] if len(keys) == 1 and not hasattr(row, "marks") else list(values)
        label = labels[number] if labels else "-".join(map(str, listed))
        yield str(label), dict(zip(keys, listed, strict=True))
