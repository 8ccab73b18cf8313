"""Stepping through a schedule by hand: output, execution, and no held boundary while waiting for input."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from overbooked.interleavings.exploration import Exploration
from overbooked.interleavings.scheduler.race import RaceResult
from overbooked.interleavings.scheduler.strategy import ScheduleDiverged, SchedulingPoint, Strategy
from overbooked.interleavings.strategies.interactive import step_through, until
from overbooked.traces.trace import Trace, TraceActor, TraceStep
from tests.interleavings.test_exploration import Cast, Table, increments, nothing_wrong, steps

UNLOCKED: Cast = lambda server: [increments(server), increments(server)]  # noqa: E731
LOCKED: Cast = lambda server: [increments(server, locking=True), increments(server, locking=True)]  # noqa: E731


class Walker:
    """Gives predefined answers and records what it was shown."""

    def __init__(self, table: Table, said: Sequence[int | None]) -> None:
        self.table = table
        self.said = list(said)
        self.asked: list[tuple[SchedulingPoint, Trace]] = []
        self.live: list[bool] = []

    async def __call__(self, choice: SchedulingPoint, so_far: Trace) -> int | None:
        self.asked.append((choice, so_far))
        self.live.append(self.table.server.link.keeper is not None)
        return self.said.pop(0) if self.said else None


async def walk(
    cast: Cast, said: Sequence[int | None], schedule: Sequence[int] = ()
) -> tuple[Walker, RaceResult]:
    table = Table(cast)
    exploration = Exploration(table, nothing_wrong, steps, actors=2, preemptions=None)
    walker = Walker(table, said)
    taken = await step_through(exploration.follow, schedule, walker)
    return walker, await exploration.follow(Following(taken))


class Following:
    """Follows a schedule and then continues by default."""

    def __init__(self, schedule: Sequence[int]) -> None:
        self._schedule = schedule

    def next(self, choice: SchedulingPoint) -> int:
        ahead = self._schedule[choice.number : choice.number + 1]
        return ahead[0] if ahead else choice.usual


async def test_each_choice_is_asked_for_and_taken() -> None:
    walker, ran = await walk(UNLOCKED, [0, 0, 1, 1, 1, 1])
    assert ran.trace.schedule == (0, 0, 1, 1, 1, 1, 0, 0)
    assert [choice.number for choice, _ in walker.asked] == [0, 1, 2, 3, 4, 5]
    assert [so_far.schedule for _, so_far in walker.asked][3] == (0, 0, 1)


async def test_what_is_held_is_shown() -> None:
    walker, _ = await walk(UNLOCKED, [0, 1])
    choice, so_far = walker.asked[2]
    assert {actor: held.verb for actor, held in choice.held.items()} == {0: "SELECT", 1: "SELECT"}
    assert [step.reply for step in so_far.steps] == ["BEGIN", "BEGIN"]


async def test_nothing_is_held_while_somebody_thinks() -> None:
    walker, _ = await walk(UNLOCKED, [0, 1, 0])
    assert walker.live == [False] * 4


async def test_nobody_is_asked_where_there_is_no_choice() -> None:
    walker, ran = await walk(LOCKED, [0, 0, 1, 1])
    assert all(len(choice.enabled) == 2 for choice, _ in walker.asked)
    assert ran.trace.steps[3].blocked_by == (0,)
    _, so_far = walker.asked[-1]
    assert len(so_far.steps) < 4, "he who waits for a lock leaves the other alone to go"


async def test_a_schedule_leads_to_where_the_choosing_begins() -> None:
    walker, ran = await walk(UNLOCKED, [None], schedule=(1, 1, 0, 0))
    assert [choice.number for choice, _ in walker.asked] == [4]
    assert ran.trace.schedule == (1, 1, 0, 0, 0, 0, 1, 1)


async def test_to_go_on_as_usual_ends_the_asking() -> None:
    walker, ran = await walk(UNLOCKED, [1, None])
    assert len(walker.asked) == 2
    assert ran.trace.schedule == (1, 1, 1, 1, 0, 0, 0, 0)


async def test_who_leaves_is_not_asked_again() -> None:
    async def leaves(_choice: SchedulingPoint, _so_far: Trace) -> int:
        raise ScheduleDiverged("left")

    exploration = Exploration(Table(UNLOCKED), nothing_wrong, steps, actors=2, preemptions=None)
    with pytest.raises(ScheduleDiverged, match="left"):
        await step_through(exploration.follow, (), leaves)


async def test_after_a_disturbed_run_it_is_what_the_next_one_shows_that_is_asked() -> None:
    table = Table(UNLOCKED)
    walker = Walker(table, [1])
    tried = 0

    async def run(choose: Strategy, _: Sequence[int]) -> RaceResult:
        nonlocal tried
        exploration = Exploration(table, nothing_wrong, steps, actors=2, preemptions=None)
        for _try in range(2):  # the same chooser starts again, as after a disturbed run
            tried += 1
            ran = await exploration.follow(choose)
        return ran

    assert await step_through(run, (), walker) == (1,)
    assert [choice.number for choice, _ in walker.asked] == [0, 1]
    assert tried == 4


def test_the_beginning_of_a_trace_knows_nothing_of_what_came_later() -> None:
    def step(actor: int, **more: object) -> TraceStep:
        return TraceStep(actor, "app->postgres", "postgres", 1, "UPDATE", "", "UPDATE x", reply="1", **more)  # type: ignore[arg-type]

    trace = Trace(
        (
            TraceActor("ana", "books", answer="201", first_step=0, last_step=2),
            TraceActor("ben", "books", answer="409", first_step=1, last_step=1),
        ),
        (step(0), step(1, blocked_by=(0,), blocked_until=3), step(0)),
    )
    begun = until(trace, 2)
    assert [(one.reply, one.blocked_until) for one in begun.steps] == [("1", None), ("", 2)]
    assert [actor.answer for actor in begun.actors] == ["", ""]
    assert [actor.answer for actor in until(trace, 3).actors] == ["201", "409"]
