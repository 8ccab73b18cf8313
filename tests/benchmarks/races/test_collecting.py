from __future__ import annotations

import types
from typing import Any

import pytest

from overbooked import gap
from overbooked.interleavings.scheduler.actors import Actor
from overbooked.interleavings.scheduler.race import Races
from tests.benchmarks.races import collecting
from tests.benchmarks.races.collecting import Collector, exploring, races_of

ANYBODY: Any = object()


async def race() -> Races:
    yield []


@gap("SYS-03.a")
@pytest.mark.parametrize("customers", [2, 3])
async def last_place(system: Any, explorer: Any, customers: int) -> None:
    async def sold_once() -> Races:
        async def books(_: int) -> None: ...

        yield [Actor(f"c{number}", "book", books) for number in range(customers)]

    await explorer.explore(sold_once)
    await explorer.explore(race, name="again", preemptions=1)


@gap("SYS-28.c", "SYS-28.d")
@pytest.mark.parametrize(("method", "told"), [("bank", 1), ("card", 2)], ids=["by bank", "by card"])
async def told_at_once(explorer: Any, method: str, told: int) -> None:
    await explorer.explore(race, clause="SYS-28.d", name=f"{method} {told}")
    await explorer.explore(race)


async def no_scenario(explorer: Any) -> None:
    raise AssertionError("nobody may run this")


@gap("SYS-03.a")
async def explores_nothing(bursts: Any) -> None:
    raise AssertionError("nobody may run this")


@pytest.fixture
def package(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """A package of scenarios with one module."""
    module = types.SimpleNamespace(
        test_last_place=last_place,
        test_told_at_once=told_at_once,
        test_no_scenario=no_scenario,
        test_explores_nothing=explores_nothing,
    )
    found = types.ModuleType("bookings")
    found.__path__ = []
    walked = [types.SimpleNamespace(name=name) for name in ("bookings.places", "bookings.test_places")]
    monkeypatch.setattr("pkgutil.walk_packages", lambda *_: walked)
    monkeypatch.setattr(collecting, "import_module", {"bookings.test_places": module}.__getitem__)
    return found


async def test_what_would_be_explored_is_kept_and_nothing_is_run() -> None:
    async def unheard_of(_: int) -> Races:
        raise AssertionError("nothing runs it")
        yield []

    collector = Collector("a scenario", "SYS-03.a")
    explored = await collector.explore(unheard_of, 3, preemptions=1, reduce=False, schedules=7)
    (stated,) = collector.stated
    assert (stated.name, stated.clause, stated.race, stated.args) == (
        "a scenario unheard_of",
        "SYS-03.a",
        unheard_of,
        (3,),
    )
    assert stated.bound == {"preemptions": 1, "reduce": False, "schedules": 7}
    assert explored.violation is None
    assert explored.schedules == 0


def test_each_case_of_a_scenario_that_explores_is_one(package: types.ModuleType) -> None:
    assert [case.name for case in exploring(package)] == [
        "test_last_place[2]",
        "test_last_place[3]",
        "test_told_at_once[by bank]",
        "test_told_at_once[by card]",
    ]


async def test_a_case_is_called_with_its_values(package: types.ModuleType) -> None:
    stated = await races_of(ANYBODY, ["SYS-03.a"], exploring(package))
    assert [one.name for one in stated] == [
        "test_last_place[2] sold_once",
        "test_last_place[2] again",
        "test_last_place[3] sold_once",
        "test_last_place[3] again",
    ]
    assert [len(await anext(one.race(*one.args))) for one in stated] == [2, 0, 3, 0]


async def test_only_races_of_the_clauses_asked_are_taken(package: types.ModuleType) -> None:
    stated = await races_of(ANYBODY, ["SYS-28.d"], exploring(package))
    assert [one.name for one in stated] == [
        "test_told_at_once[by bank] bank 1",
        "test_told_at_once[by card] card 2",
    ]


def test_every_clause_that_scenarios_explore_has_races() -> None:
    found = {clause for case in exploring() for clause in case.clauses}
    assert {"SYS-03.a", "SYS-03.b", "SYS-04.f", "SYS-28.c"} <= found
