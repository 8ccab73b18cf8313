"""The search alone: counts, bounds, limits, shards, and reports of inconsistent runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import comb

import pytest

from overbooked.errors import HarnessError
from overbooked.interleavings.footprints.resources import EVERYTHING, touching
from overbooked.interleavings.search.schedule import Prefix, Step, preemptions_in, usual
from overbooked.interleavings.search.search import ScheduleSearch
from tests.interleavings.toy_programs import Op, Program, World, play

Schedule = tuple[int, ...]


def straight(boundaries: Sequence[int], prefix: Sequence[int] = ()) -> list[Step]:
    """Return a run of actors with these numbers of steps and without waits."""
    left, steps, running = list(boundaries), [], None
    while enabled := tuple(n for n, more in enumerate(left) if more):
        running = prefix[len(steps)] if len(steps) < len(prefix) else usual(enabled, running)
        left[running] -= 1
        steps.append(Step(running, enabled, EVERYTHING))
    return steps


def all_of(search: ScheduleSearch, boundaries: Sequence[int]) -> list[Schedule]:
    found = []
    while (prefix := search.next()) is not None:
        steps = straight(boundaries, prefix.actors)
        assert preemptions_in(steps) == prefix.preemptions
        assert search.learn(steps)
        if not prefix.scout:
            found.append(tuple(step.actor for step in steps))
    return found


def ran(search: ScheduleSearch, programs: Sequence[Program]) -> list[World]:
    worlds = []
    while (prefix := search.next()) is not None:
        world = play(programs, prefix.actors)
        assert search.learn(world.finished()), search.notes
        if not prefix.scout:
            worlds.append(world)
    return worlds


# -- counts --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("boundaries", "bound", "schedules"),
    [
        ((6, 6), 2, 62),
        ((8, 8), 2, 114),
        ((12, 12), 2, 266),
        ((6, 6, 6), 2, 1056),
        ((12, 12, 12), 2, 4890),
        ((12, 12, 12), 1, 204),
    ],
)
def test_without_reduction_the_counts_equal_the_closed_forms(
    boundaries: tuple[int, ...], bound: int, schedules: int
) -> None:
    search = ScheduleSearch(len(boundaries), preemptions=bound, reduce=False)
    found = all_of(search, boundaries)
    assert len(found) == len(set(found)) == search.counts.run == schedules
    assert search.exhausted


def test_without_a_bound_every_interleaving_is_run() -> None:
    search = ScheduleSearch(2, preemptions=None, reduce=False)
    assert len(all_of(search, (4, 4))) == comb(8, 4)
    assert search.exhausted


def test_fewer_preemptions_come_first() -> None:
    search = ScheduleSearch(2, preemptions=3, reduce=False)
    used = []
    while (prefix := search.next()) is not None:
        used.append(prefix.preemptions)
        search.learn(straight((4, 4), prefix.actors))
    assert used == sorted(used)
    assert set(used) == {0, 1, 2, 3}


def test_the_first_schedule_runs_the_actors_one_after_another() -> None:
    assert ScheduleSearch(3).next() == Prefix(())
    assert [step.actor for step in straight((2, 2, 2))] == [0, 0, 1, 1, 2, 2]


def test_actors_who_share_nothing_are_run_once() -> None:
    programs = [[(Op("write", name),)] * 6 for name in "xyz"]
    search = ScheduleSearch(3, preemptions=None)
    assert len(ran(search, programs)) == 1
    assert search.exhausted


def test_actors_who_only_read_the_same_are_run_once() -> None:
    search = ScheduleSearch(3)
    assert len(ran(search, [[(Op("read", "x"),)] * 6] * 3)) == 1
    assert search.exhausted


def test_two_steps_that_conflict_are_run_in_both_orders() -> None:
    programs = [[(Op("local"),), (Op("update", "x", n),), (Op("commit"),), (Op("local"),)] for n in range(2)]
    search = ScheduleSearch(2)
    finals = {world.final for world in ran(search, programs)}
    assert len(finals) == 2
    assert search.exhausted


def test_two_races_that_do_not_meet_are_run_in_every_combination() -> None:
    programs = [[(Op("single", name, n),)] for name in "xy" for n in range(2)]
    search = ScheduleSearch(4)
    worlds = ran(search, programs)
    assert len(worlds) == len({world.final for world in worlds}) == 4


# -- limits and shards ---------------------------------------------------------------------------


def test_a_limit_is_kept_and_is_not_exhaustion() -> None:
    search = ScheduleSearch(3, reduce=False, limit=50, seed=7)
    assert len(all_of(search, (6, 6, 6))) == 50
    assert search.next() is None
    assert not search.exhausted
    assert search.counts.run == 50
    assert search.counts.waiting > 0


def test_a_limit_beyond_the_space_exhausts_it() -> None:
    search = ScheduleSearch(2, reduce=False, limit=62)
    assert len(set(all_of(search, (6, 6)))) == 62
    assert search.exhausted


def test_a_limit_spreads_over_the_space_by_the_seed() -> None:
    def sample(seed: int) -> list[Schedule]:
        return all_of(ScheduleSearch(2, preemptions=1, reduce=False, limit=12, seed=seed), (20, 20))

    def switches(schedules: list[Schedule]) -> set[int]:
        return {n for one in schedules for n in range(1, 20) if one[n] != one[n - 1]}

    assert sample(1) == sample(1)
    assert sample(1) != sample(2)
    assert min(switches(sample(1))) < 10 < max(switches(sample(1)))


@pytest.mark.parametrize("shards", [2, 3, 8])
@pytest.mark.parametrize("boundaries", [(6, 6), (4, 4, 4)])
def test_shards_are_disjoint_and_together_the_whole(shards: int, boundaries: tuple[int, ...]) -> None:
    whole = all_of(ScheduleSearch(len(boundaries), reduce=False), boundaries)
    parts = []
    for number in range(1, shards + 1):
        search = ScheduleSearch(len(boundaries), reduce=False, shard=(number, shards))
        parts.append(all_of(search, boundaries))
        assert search.exhausted
        assert search.counts.run == len(parts[-1])
    assert sorted(schedule for part in parts for schedule in part) == sorted(whole)
    assert max(map(len, parts)) < len(whole)


def test_reduced_shards_together_reach_every_final_state() -> None:
    programs = [[(Op("read", "x"),), (Op("update", "x", n),), (Op("commit"),)] for n in range(3)]
    whole = {world.final for world in ran(ScheduleSearch(3), programs)}
    parts: set[object] = set()
    seen: list[Schedule] = []
    for number in (1, 2, 3):
        worlds = ran(ScheduleSearch(3, shard=(number, 3)), programs)
        parts |= {world.final for world in worlds}
        seen += [tuple(step.actor for step in world.steps) for world in worlds]
    assert parts == whole
    assert len(seen) == len(set(seen))


# -- inconsistent runs ---------------------------------------------------------------------------


def test_a_disturbed_run_is_tried_again_and_then_nothing_is_missing() -> None:
    search = ScheduleSearch(2, reduce=False)
    first = search.next()
    search.disturbed("a statement timed out")
    again = search.next()
    assert first is not None
    assert again is not None
    assert again.actors == first.actors
    search.learn(straight((3, 3)))
    all_of(search, (3, 3))
    assert search.exhausted
    assert search.counts.disturbed == 1
    assert search.notes == ("disturbed: a statement timed out",)


@pytest.mark.parametrize("how", ["disturbed", "diverged"])
def test_what_was_disturbed_or_diverged_twice_is_skipped_and_never_exhausted(how: str) -> None:
    search = ScheduleSearch(2, reduce=False)
    run = 0
    while (prefix := search.next()) is not None:
        run += 1
        if prefix.actors == (0, 1):
            getattr(search, how)("it went wrong")
        else:
            search.learn(straight((3, 3), prefix.actors))
    assert not search.exhausted
    assert search.counts.skipped == 1
    assert getattr(search.counts, how) == 2
    assert search.counts.run == run - 2


def test_when_nothing_could_be_run_nothing_is_exhausted() -> None:
    search = ScheduleSearch(2)
    for _ in range(2):
        assert search.next() is not None
        search.disturbed("the service is down")
    assert search.next() is None
    assert not search.exhausted


def test_a_search_that_is_under_way_is_not_exhausted() -> None:
    search = ScheduleSearch(2)
    assert not search.exhausted
    search.next()
    assert not search.exhausted


def flaky(prefix: Prefix) -> list[Step]:
    """Return a run in which, at the second step, no other actor can continue."""
    steps = straight((3, 3), prefix.actors)
    steps[1] = Step(steps[1].actor, (steps[1].actor,), EVERYTHING)
    return steps


def test_another_set_of_enabled_actors_after_the_same_steps_is_reported() -> None:
    search = ScheduleSearch(2)
    assert search.next() is not None
    assert search.learn(straight((3, 3)))
    for _ in range(2):
        prefix = search.next()
        assert prefix is not None
        assert not search.learn(flaky(prefix))
    assert search.counts.diverged == 2
    assert search.counts.skipped == 1
    assert "before step 1 actor 0 waits" in search.notes[0]
    assert not search.exhausted


def test_another_footprint_of_the_same_step_is_reported() -> None:
    search = ScheduleSearch(2)
    search.next()
    assert search.learn([Step(0, (0, 1), touching(writes="x")), Step(1, (1,), touching(writes="x"))])
    prefix = search.next()
    assert prefix is not None
    assert prefix.actors == (1,)
    assert not search.learn([Step(1, (0, 1), touching(writes="y")), Step(0, (0,), touching(writes="x"))])
    assert "touches writes y" in search.notes[0]


def test_an_actor_who_ends_earlier_than_before_is_reported() -> None:
    search = ScheduleSearch(2, preemptions=1, reduce=False)
    while (prefix := search.next()) is not None and prefix.preemptions == 0:
        search.learn(straight((3, 2), prefix.actors))
    assert prefix is not None
    assert prefix.actors == (1, 0)
    assert not search.learn(straight((3, 1), prefix.actors))
    assert "actor 1 has ended" in search.notes[0]


def two_searched(first: list[Step]) -> ScheduleSearch:
    search = ScheduleSearch(2)
    search.next()
    assert search.learn(first)
    search.next()
    return search


def test_a_poll_that_was_in_vain_need_not_be_so_in_another_order() -> None:
    polls = [Step(0, (0, 1), touching(reads="x"), yields=True), Step(1, (1,), touching(writes="x"))]
    search = two_searched(polls)
    other = [Step(1, (0, 1), touching(writes="x")), Step(0, (0,), touching(reads="x"))]
    assert search.learn(other)
    assert search.exhausted


def test_a_step_that_waits_in_one_run_and_not_in_another_is_reported() -> None:
    search = ScheduleSearch(2, preemptions=1)
    same = touching(writes="x")
    while (prefix := search.next()) is not None and prefix.actors != (0, 1):
        search.learn([replace(step, footprint=same) for step in straight((2, 1), prefix.actors)])
    waits = [Step(0, (0, 1), same, blocked_until=2), Step(1, (1,), same), Step(0, (0,), same)]
    assert not search.learn(waits)
    assert "actor 0 waits" in search.notes[0]


def test_who_is_woken_by_a_step_that_does_not_touch_what_he_waits_for_is_noted() -> None:
    search = ScheduleSearch(2)
    search.next()
    first = [
        Step(0, (0, 1), touching(writes="x"), blocked_until=2),
        Step(1, (1,), touching(writes="y")),
        Step(0, (0,), touching(reads="z")),
    ]
    assert search.learn(first)
    assert "unblocked another that waits for something else" in search.notes[0]


def test_a_prefix_that_was_not_followed_is_reported() -> None:
    search = ScheduleSearch(2)
    search.next()
    search.learn(straight((3, 3)))
    prefix = search.next()
    assert prefix is not None
    assert not search.learn(straight((3, 3), (0, 0, 0)))
    assert "was taken" in search.notes[0]


def test_nothing_is_taken_from_a_run_that_diverged() -> None:
    search = ScheduleSearch(2, reduce=False)
    search.next()
    search.learn(straight((3, 3)))
    prefix = search.next()
    assert prefix is not None
    search.learn(flaky(prefix))
    all_of(search, (3, 3))
    assert search.exhausted
    assert search.counts.run == len(all_of(ScheduleSearch(2, reduce=False), (3, 3)))


def test_the_search_is_told_of_each_run_before_it_is_asked_again() -> None:
    search = ScheduleSearch(2)
    search.next()
    with pytest.raises(HarnessError, match="before the result of the last one"):
        search.next()
    search.learn(straight((1, 1)))
    with pytest.raises(HarnessError, match="had not requested"):
        search.learn(straight((1, 1)))


@pytest.mark.parametrize(
    "bad", [{"actors": 0}, {"preemptions": -1}, {"limit": -1}, {"shard": (0, 2)}, {"shard": (3, 2)}]
)
def test_a_search_that_cannot_be_is_refused(bad: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"search|shard"):
        ScheduleSearch(**{"actors": 2, **bad})  # type: ignore[arg-type]
