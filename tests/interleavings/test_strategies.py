"""Strategies: each finds a seeded race in a toy program, and PCT meets its probability bound."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

import pytest

from overbooked.errors import UsageError
from overbooked.interleavings.scheduler.strategy import ScheduleDiverged, SchedulingPoint, Strategy
from overbooked.interleavings.search.search import ScheduleSearch
from overbooked.interleavings.strategies.exhaustive import Exhaustive
from overbooked.interleavings.strategies.interactive import FirstChoice
from overbooked.interleavings.strategies.pct import PCT
from overbooked.interleavings.strategies.random_walk import RandomWalk
from overbooked.interleavings.strategies.replay import Replay
from overbooked.interleavings.strategies.sampling import Sampling
from tests.interleavings.toy_programs import Op, Program, World

# Two increments without a lock: x counts 2 if both count; `write` stores 2 * x + what was read + 1.
INCREMENT: Program = [(Op("read", "x"),), (Op("write", "x", 1),)]
# Independent steps, for tests of orders only.
THREE: Program = [(Op("local"),), (Op("local"),), (Op("local"),)]
TWO: Program = THREE[:2]
ALTERNATING = (0, 1, 0, 1, 0)


def run(programs: Sequence[Program], strategy: Strategy) -> World:
    """One schedule of toy programs."""
    world = World(programs)
    while enabled := world.enabled:
        chosen = strategy.next(SchedulingPoint(len(world.steps), enabled, world.running, {}))
        assert isinstance(chosen, int)
        world.go(chosen)
    return world


def order(world: World) -> tuple[int, ...]:
    return tuple(step.actor for step in world.steps)


def both_read_first(world: World) -> bool:
    """Whether the race occurred: both actors read before either writes."""
    return set(order(world)[:2]) == {0, 1}


def test_exhaustive_search_finds_the_race_and_ends() -> None:
    search = ScheduleSearch(2, preemptions=2)
    found = runs = 0
    while (prefix := search.next()) is not None:
        world = run([INCREMENT, INCREMENT], Exhaustive(prefix))
        search.learn(world.finished())
        found += both_read_first(world)
        runs += 1
    assert search.exhausted
    assert found
    assert runs < 10


@pytest.mark.parametrize("name", ["random", "pct"])
def test_a_sampling_strategy_finds_the_race(name: str) -> None:
    sampling = Sampling(name, schedules=50, seed=7)
    worlds = [run([INCREMENT, INCREMENT], sampling.strategy(n, actors=2, steps=4)) for n in range(1, 51)]
    assert any(both_read_first(world) for world in worlds)
    assert len({order(world) for world in worlds}) > 2


def test_replay_follows_a_schedule_and_refuses_one_that_has_gone() -> None:
    found = run([INCREMENT, INCREMENT], Replay((0, 1, 0, 1)))
    assert order(found) == (0, 1, 0, 1)
    assert order(run([INCREMENT, INCREMENT], Replay((1,)))) == (1, 1, 0, 0)
    with pytest.raises(ScheduleDiverged, match="step 2 of the schedule is actor 0's, and only 1 can run"):
        run([INCREMENT, INCREMENT], Replay((0, 0, 0)))


def test_interactive_stops_at_the_first_choice_after_its_schedule() -> None:
    asked = FirstChoice((0,))
    run([INCREMENT, INCREMENT], asked)
    assert asked.choice is not None
    assert (asked.choice.number, asked.choice.enabled) == (1, (0, 1))


@pytest.mark.parametrize("make", [RandomWalk, lambda seed: PCT(seed, actors=2, steps=4, depth=3)])
def test_a_seed_draws_the_same_schedule_again_also_when_it_is_repeated(make: type[RandomWalk]) -> None:
    strategy = make(11)
    first = order(run([THREE, THREE], strategy))
    assert order(run([THREE, THREE], strategy)) == first, "a disturbed schedule is run again"
    assert order(run([THREE, THREE], make(11))) == first


@pytest.mark.parametrize(
    ("programs", "wanted", "depth"),
    [
        ((TWO, TWO), (0, 1, 1, 0), 2),
        ((TWO, TWO), (0, 1, 0, 1), 3),
        ((THREE, TWO), ALTERNATING, 4),
    ],
    ids=["depth 2", "depth 3", "depth 4"],
)
def test_pct_meets_its_bound(programs: Sequence[Program], wanted: tuple[int, ...], depth: int) -> None:
    """One schedule shows a bug of depth d with a probability of at least 1 / (n * k ** (d - 1))."""
    steps, runs = len(wanted), 20_000
    bound = 1 / (2 * steps ** (depth - 1))
    shown = sum(
        order(run(programs, PCT(seed, actors=2, steps=steps, depth=depth))) == wanted for seed in range(runs)
    )
    spread = 3 * sqrt(bound * (1 - bound) / runs)
    assert shown / runs >= bound - spread


def test_pct_with_too_small_a_depth_cannot_show_a_bug() -> None:
    shown = [order(run([THREE, TWO], PCT(seed, actors=2, steps=5, depth=1))) for seed in range(200)]
    assert set(shown) == {(0, 0, 0, 1, 1), (1, 1, 0, 0, 0)}, "at depth 1 no priority ever changes"


def test_what_is_no_sampling_strategy_is_refused() -> None:
    with pytest.raises(UsageError, match="random or pct; found 'exhaustive'"):
        Sampling("exhaustive")
    with pytest.raises(UsageError, match="at least one schedule"):
        Sampling("pct", schedules=0)
    with pytest.raises(ValueError, match="depth 0"):
        PCT(1, actors=2, steps=4, depth=0)
