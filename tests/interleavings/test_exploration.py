"""Explorations of races on a simulated server: schedules, findings, and inconclusive results."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest

from overbooked.errors import GapFound
from overbooked.histories.history import History
from overbooked.interleavings import exploration as interleavings
from overbooked.interleavings.exploration import Exploration, Inconclusive
from overbooked.interleavings.footprints.resources import NOTHING, Footprint
from overbooked.interleavings.results import ExplorationResult
from overbooked.interleavings.scheduler.actor_state import ExecutedStep
from overbooked.interleavings.scheduler.controller import LearnedBehaviour, ScheduleRun
from overbooked.interleavings.scheduler.race import Race, RaceResult
from overbooked.interleavings.scheduler.strategy import Strategy
from overbooked.interleavings.search.schedule import Step
from overbooked.interleavings.shrinker import ShrinkBudget
from overbooked.interleavings.strategies.replay import Replay
from tests.interleavings.fake_database import Program, Server, play


@pytest.fixture(autouse=True)
def no_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interleavings, "REST_S", 0)


Cast = Callable[[Server], Sequence[Program]]


def reads(server: Server, times: int, key: str) -> Program:
    session = server.session()

    async def program() -> None:
        for n in range(times):
            await session.read(f"{key}{n}")

    return program


def increments(server: Server, *, locking: bool = False) -> Program:
    session = server.session()

    async def program() -> None:
        await session.begin()
        seen = await (session.lock("x") if locking else session.read("x"))
        await session.write("x", seen + 1)
        await session.commit()

    return program


def touched(step: ExecutedStep) -> Footprint:
    key = step.boundary.text.split()[1:2]
    if step.boundary.verb in {"BEGIN"}:
        return NOTHING
    if step.boundary.verb in {"COMMIT", "ROLLBACK"}:
        return Footprint(writes=frozenset({"x"}))
    writes = step.boundary.verb == "UPDATE" or "FOR UPDATE" in step.boundary.text
    return Footprint(frozenset(key), frozenset(key) if writes else frozenset())


def steps(taken: Sequence[ExecutedStep]) -> list[Step]:
    return [
        Step(one.lane, one.enabled, touched(one), blocked_until=one.blocked_until, yields=one.yields)
        for one in taken
    ]


class Table:
    """Plays each schedule on a new server and keeps the last one."""

    def __init__(self, cast: Cast, *, disturb: Callable[[int], str] = lambda _: "") -> None:
        self.cast = cast
        self.server = Server()
        self.played = 0
        self.finals: set[tuple[tuple[str, int], ...]] = set()
        self._disturb = disturb

    def __call__(
        self, choose: Strategy, *, experience: LearnedBehaviour, learning: bool = False
    ) -> Awaitable[tuple[RaceResult, ScheduleRun]]:
        return self._play(choose, experience, learning)

    async def _play(
        self, choose: Strategy, experience: LearnedBehaviour, learning: bool
    ) -> tuple[RaceResult, ScheduleRun]:
        self.server = Server()
        programs = self.cast(self.server)
        done = await play(self.server, *programs, choose=choose, experience=experience, learning=learning)
        trace = done.trace
        self.played += 1
        if why := self._disturb(self.played):
            trace = type(trace)(trace.actors, trace.steps, why, trace.notes)
        self.finals.add(tuple(sorted(self.server.data.items())))
        return RaceResult(Race(()), [], History(()), trace), ScheduleRun(trace, done.steps, done.seconds)

    async def keeps_both(self, _: RaceResult) -> GapFound | None:
        if self.server.data.get("x") != 2:
            return GapFound("an update is lost", expected="2", observed=str(self.server.data.get("x")))
        return None


async def nothing_wrong(_: RaceResult) -> GapFound | None:
    return None


async def test_without_reduction_there_are_as_many_schedules_as_the_closed_form_says() -> None:
    table = Table(lambda server: [reads(server, 6, "a"), reads(server, 6, "b")])
    explored = await Exploration(table, nothing_wrong, steps, actors=2, preemptions=2, reduce=False).run()
    assert (explored.schedules, explored.exhausted) == (62, True)
    assert explored.boundaries == 62 * 12


async def test_three_actors_within_one_preemption() -> None:
    table = Table(lambda server: [reads(server, 3, key) for key in "abc"])
    explored = await Exploration(table, nothing_wrong, steps, actors=3, preemptions=1, reduce=False).run()
    assert explored.exhausted
    assert explored.preempted == 1


async def test_a_lost_update_is_found_and_made_as_small_as_can_be() -> None:
    table = Table(lambda server: [increments(server), increments(server)])
    explored = await Exploration(table, table.keeps_both, steps, actors=2, preemptions=2).run()
    assert explored.violation is not None
    assert explored.violation.preemptions == 1
    assert explored.violation.found.what == "an update is lost"
    assert explored.as_note()["minimised"] == {"preemptions": [1, 1], "schedules": 0, "fewest": True}


async def test_nothing_is_found_where_a_lock_is_held() -> None:
    table = Table(lambda server: [increments(server, locking=True), increments(server, locking=True)])
    explored = await Exploration(table, table.keeps_both, steps, actors=2, preemptions=2).run()
    assert explored.violation is None
    assert explored.exhausted
    assert explored.blocked > 0


async def test_with_reduction_every_final_state_is_still_reached() -> None:
    finals = []
    for reduce in (False, True):
        table = Table(lambda server: [increments(server), increments(server)])
        explored = await Exploration(
            table, nothing_wrong, steps, actors=2, preemptions=2, reduce=reduce
        ).run()
        assert explored.exhausted
        finals.append(table.finals)
    assert finals[0] == finals[1] == {(("x", 1),), (("x", 2),)}


async def test_a_disturbed_schedule_is_run_again_and_not_judged() -> None:
    judged = []

    async def judge(ran: RaceResult) -> GapFound | None:
        judged.append(ran.trace.disturbed)
        return None

    table = Table(
        lambda server: [increments(server), increments(server)],
        disturb=lambda n: "a timeout expired" if n == 5 else "",
    )
    explored = await Exploration(table, judge, steps, actors=2, preemptions=1).run()
    assert explored.again == 1
    assert explored.exhausted
    assert not any(judged)


async def test_a_schedule_that_is_always_disturbed_leaves_the_space_unexhausted() -> None:
    table = Table(
        lambda server: [increments(server), increments(server)],
        disturb=lambda n: "a write that no actor owns" if n > 3 else "",
    )
    explored = await Exploration(table, nothing_wrong, steps, actors=2, preemptions=1).run()
    assert not explored.exhausted
    assert explored.schedules == 0
    assert any("a write that no actor owns" in note for note in explored.left)


async def test_a_limit_of_schedules_is_kept_and_told() -> None:
    table = Table(lambda server: [reads(server, 6, "a"), reads(server, 6, "b")])
    explored = await Exploration(
        table, nothing_wrong, steps, actors=2, preemptions=2, reduce=False, schedules=10
    ).run()
    assert (explored.schedules, explored.exhausted) == (10, False)


class Reads(Table):
    """Records the schedules that are run, except for the warm-up."""

    def __init__(self, *lengths: int) -> None:
        super().__init__(
            lambda server: [reads(server, n, key) for n, key in zip(lengths, "abc", strict=False)]
        )
        self.ran: list[tuple[int, ...]] = []

    def told(self, ran: RaceResult) -> None:
        self.ran.append(ran.trace.schedule)


async def explored_by(table: Reads, **more: Any) -> ExplorationResult:
    return await Exploration(
        table, nothing_wrong, steps, actors=2, preemptions=2, reduce=False, told=table.told, **more
    ).run()


async def test_the_seed_decides_over_the_order_and_never_over_what_is_run() -> None:
    orders = []
    for seed in (1, 1, 2):
        table = Reads(4, 4)
        explored = await explored_by(table, seed=seed)
        assert explored.exhausted
        orders.append(table.ran)
    assert orders[0] == orders[1] != orders[2]
    assert set(orders[0]) == set(orders[2])
    assert len(orders[0]) == len(set(orders[0]))


async def test_a_sample_is_drawn_by_the_seed() -> None:
    samples = []
    for seed in (1, 2):
        table = Reads(6, 6)
        assert (await explored_by(table, seed=seed, schedules=20)).schedules == 20
        samples.append(set(table.ran))
    assert samples[0] != samples[1]


async def test_shards_share_the_schedules_and_count_none_twice() -> None:
    whole = Reads(4, 4)
    await explored_by(whole)
    parts: list[tuple[int, ...]] = []
    for number in (1, 2, 3):
        table = Reads(4, 4)
        explored = await explored_by(table, shard=(number, 3))
        assert explored.exhausted
        assert explored.scouts == (number > 1)
        assert explored.as_note()["shard"] == f"{number} of 3"
        parts += table.ran
    assert sorted(parts) == sorted(whole.ran)


async def test_what_a_scout_shows_is_for_the_first_shard_to_say() -> None:
    judged: list[RaceResult] = []

    async def wrong_at_first(ran: RaceResult) -> GapFound | None:
        judged.append(ran)
        return GapFound("wrong") if ran.trace.preemptions == 0 else None

    table = Reads(2, 2)
    second = Exploration(table, wrong_at_first, steps, actors=2, preemptions=1, reduce=False, shard=(2, 2))
    assert (await second.run()).violation is None
    assert len(judged) == second.explored.schedules > 0
    first = Exploration(table, wrong_at_first, steps, actors=2, preemptions=1, reduce=False, shard=(1, 2))
    assert (await first.run()).violation is not None


async def test_a_shard_does_not_claim_that_fewer_preemptions_show_nothing() -> None:
    found = []
    for number in (1, 2):
        table = Table(lambda server: [increments(server), increments(server)])
        exploration = Exploration(
            table,
            table.keeps_both,
            steps,
            actors=2,
            preemptions=2,
            shard=(number, 2),
            spare=ShrinkBudget(100, 60.0),
        )
        if (violation := (await exploration.run()).violation) is not None:
            assert violation.minimised is not None
            found.append(violation.minimised)
    assert found
    assert all(one.left_with == 1 and one.fewest for one in found)


async def test_a_schedule_that_cannot_be_followed_is_no_verdict() -> None:
    table = Table(lambda server: [increments(server), increments(server)])
    exploration = Exploration(table, nothing_wrong, steps, actors=2, preemptions=1)
    with pytest.raises(Inconclusive, match="never ran undisturbed: step 4 of the schedule"):
        await exploration.follow(Replay([0] * 6))


async def test_what_is_noted_is_the_evidence() -> None:
    table = Table(lambda server: [increments(server, locking=True), increments(server, locking=True)])
    explored = await Exploration(table, nothing_wrong, steps, actors=2, preemptions=2).run()
    note = explored.as_note()
    assert note["preemptions"] == 2
    assert note["reduction"] == "by dependence"
    assert note["exhausted"] is True
    assert note["outcomes"] == ["201 201"]
