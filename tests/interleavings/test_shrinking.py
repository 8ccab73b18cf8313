"""Minimising: the simplest schedule that fails, in a bounded number of runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pytest

from overbooked.errors import HarnessError
from overbooked.interleavings.search.schedule import Step
from overbooked.interleavings.search.shrinking import (
    GuidedStrategy,
    ScheduleShrinker,
    Switch,
    prefix_of,
    switches_in,
)
from tests.interleavings.test_search_reduction import program
from tests.interleavings.toy_programs import Program, World, brute_force, play

LOST = ["read x; local; write x 1; local; local"] * 2
LONG = ["local; local; read x; local; local; local; write x 1; local; local; local"] * 2
THREE = ["read x; write x 1", "read x; write x 1", "local; local; local; local"]
Fails = Callable[[World], bool]


@dataclass(frozen=True)
class Now:
    enabled: tuple[int, ...]
    running: int | None


def guided(programs: Sequence[Program], guide: GuidedStrategy) -> World:
    world = World(programs)
    while enabled := world.enabled:
        world.go(guide.next(Now(enabled, world.running)))
    return world


def lost_update(world: World) -> bool:
    """Whether both actors read before either wrote."""
    return [man.seen[0] for man in world.men if man.seen] == [0, 0]


def minimised(texts: Sequence[str], schedule: Sequence[int], fails: Fails, **limits: int) -> ScheduleShrinker:
    programs = [program(text) for text in texts]
    world = play(programs, schedule)
    assert fails(world)
    minimiser = ScheduleShrinker(world.finished(), actors=len(programs), **limits)
    while (guide := minimiser.next()) is not None:
        world = guided(programs, guide)
        minimiser.learn(world.finished(), fails=fails(world))
    assert fails(play(programs, minimiser.schedule))
    return minimiser


def fewest(texts: Sequence[str], fails: Fails) -> int:
    found: list[int] = []
    brute_force([program(t) for t in texts], 2, lambda w: found.append(w.preemptions) if fails(w) else None)
    return min(found)


def test_needless_preemptions_are_left_out() -> None:
    found = minimised(LOST, (0, 1, 0, 1, 1, 0, 1, 0), lost_update)
    assert found.preemptions == fewest(LOST, lost_update) == 1
    assert found.is_fewest


def test_the_prefix_becomes_as_short_as_can_be() -> None:
    found = minimised(LOST, (0, 0, 1, 1, 1, 0, 0), lost_update)
    assert prefix_of(found.best) == (0, 1)
    long = minimised(LONG, (0,) * 6 + (1,) * 4 + (0,), lost_update)
    assert prefix_of(long.best) == (0, 0, 0, 1)
    assert long.preemptions == 1


def test_an_actor_who_has_no_part_in_it_costs_nothing() -> None:
    found = minimised(THREE, (2, 0, 2, 1, 2, 0), lost_update)
    assert found.preemptions == 1
    assert len(prefix_of(found.best)) == 2


def test_a_schedule_that_needs_two_preemptions_keeps_two() -> None:
    def torn(world: World) -> bool:
        return world.men[1].seen[:2] == [0, 1] and world.values["x"] == 2

    texts = ["write x 1; write x 0", "read x; read x; write y 1"]
    found = minimised(texts, (1, 0, 1, 0, 1), torn)
    assert found.preemptions == fewest(texts, torn) == 2
    assert found.is_fewest


def test_fewer_preemptions_are_found_where_no_switch_can_be_left_out() -> None:
    def second_before_first(world: World) -> bool:
        return world.values["x"] == 4

    texts = ["local; write x 1", "local; write x 2"]
    found = minimised(texts, (0, 1, 0, 1), lambda w: w.values["x"] == 4)
    assert second_before_first(play([program(text) for text in texts], found.schedule))
    assert found.preemptions == 0


def test_what_fails_in_any_order_needs_no_switch() -> None:
    found = minimised(LOST, (0, 1, 0, 1, 0, 1), lambda _: True)
    assert found.preemptions == 0
    assert switches_in(found.best) == ()


@pytest.mark.parametrize("runs", [0, 1, 5, 40])
def test_the_number_of_runs_is_bounded(runs: int) -> None:
    found = minimised(LONG, (0, 1) * 9, lost_update, max_runs=runs)
    assert found.runs <= runs


def test_the_same_answers_lead_to_the_same_schedule() -> None:
    one, other = (minimised(LONG, (0, 1) * 9, lost_update) for _ in range(2))
    assert (one.schedule, one.runs) == (other.schedule, other.runs)


def test_what_an_exhausted_search_has_shown_is_not_looked_for_again() -> None:
    schedule = (0, 0, 1, 1, 1, 0, 0)
    known, unknown = (minimised(LOST, schedule, lost_update, at_least=n) for n in (1, 0))
    assert known.runs < unknown.runs
    assert known.schedule == unknown.schedule


def test_a_run_that_shows_nothing_changes_nothing() -> None:
    world = play([program(text) for text in LOST], (0, 1, 0, 1, 1))
    minimiser = ScheduleShrinker(world.finished(), actors=2, max_runs=30)
    while minimiser.next() is not None:
        minimiser.learn(None, fails=True)
    assert minimiser.best == tuple(world.finished())
    assert not minimiser.is_fewest


def test_the_minimiser_is_told_of_each_run_before_it_is_asked_again() -> None:
    minimiser = ScheduleShrinker([Step(1, (0, 1), world.footprint) for world in _steps()], actors=2)
    minimiser.next()
    with pytest.raises(HarnessError, match="before the result of the last one"):
        minimiser.next()
    minimiser.learn(None, fails=False)
    with pytest.raises(HarnessError, match="had not requested"):
        minimiser.learn(None, fails=False)


def _steps() -> list[Step]:
    return play([program(text) for text in LOST], ()).finished()[:1]


def test_switches_are_told_by_whose_they_were_and_when() -> None:
    steps = play([program(text) for text in LOST], (1, 1, 0)).finished()
    assert switches_in(steps) == (Switch(None, 0, 1), Switch(1, 2, 0))


def test_a_guide_goes_on_as_usual_where_a_switch_cannot_be_made() -> None:
    guide = GuidedStrategy(switches=[Switch(None, 0, 1), Switch(0, 1, 1)])
    assert guide.next(Now((0, 1), None)) == 1
    assert guide.next(Now((0,), 1)) == 0
    assert guide.next(Now((0,), 0)) == 0
    assert guide.next(Now((0, 1), 0)) == 0
