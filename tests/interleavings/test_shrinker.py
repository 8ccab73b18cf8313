"""Findings are shrunk on fresh races, as long as the finding stays the same."""

from __future__ import annotations

from collections.abc import Sequence

from overbooked.errors import GapFound, HarnessError
from overbooked.interleavings.results import Shrunk, Violation
from overbooked.interleavings.scheduler.controller import LearnedBehaviour, ScheduleRun
from overbooked.interleavings.scheduler.race import RaceResult
from overbooked.interleavings.scheduler.strategy import Strategy
from overbooked.interleavings.shrinker import ShrinkBudget, shrink
from overbooked.interleavings.strategies.replay import Replay
from tests.interleavings.test_exploration import Table, increments, steps

# Both read before either writes: one preemption is enough, three are not needed.
NEEDLESS = (0, 1, 0, 1, 1, 0)
ENOUGH = ShrinkBudget(100, 60.0)


class Scene:
    """Two actors that increment without a lock and lose an update under some schedule."""

    def __init__(self) -> None:
        self.table = Table(lambda server: [increments(server), increments(server)])
        self.experience = LearnedBehaviour()
        self.runs = 0
        self.now = 0.0

    async def found(self, schedule: Sequence[int]) -> Violation:
        ran, scheduled = await self.table(Replay(schedule), experience=self.experience)
        found = await self.check(ran)
        assert found is not None
        return Violation(found, ran, scheduled, 7)

    async def run(self, choose: Strategy) -> tuple[RaceResult, ScheduleRun] | None:
        self.runs += 1
        self.now += 1.0
        return await self.table(choose, experience=self.experience)

    async def check(self, ran: RaceResult) -> GapFound | None:
        return await self.table.keeps_both(ran)

    async def smaller(
        self, violation: Violation, *, at_least: int = 0, spare: ShrinkBudget = ENOUGH
    ) -> tuple[Violation, Shrunk]:
        smaller = await shrink(
            violation,
            self.run,
            self.check,
            steps,
            actors=2,
            at_least=at_least,
            spare=spare,
            clock=lambda: self.now,
        )
        assert smaller.minimised is not None
        return smaller, smaller.minimised


async def test_needless_preemptions_go_and_how_many_is_told() -> None:
    scene = Scene()
    violation = await scene.found(NEEDLESS)
    assert violation.preemptions == 4
    smaller, told = await scene.smaller(violation)
    assert smaller.preemptions == 1
    assert (smaller.found.what, smaller.number) == ("an update is lost", 7)
    assert (told.found_with, told.left_with, told.fewest) == (4, 1, True)
    assert told.schedules == scene.runs > 0
    assert smaller.ran.trace.schedule == tuple(step.lane for step in smaller.scheduled.steps)


async def test_what_is_known_to_need_its_one_preemption_costs_nothing() -> None:
    scene = Scene()
    violation = await scene.found((0, 0, 1))
    smaller, told = await scene.smaller(violation, at_least=1)
    assert (scene.runs, told) == (0, Shrunk(1, 1, 0, fewest=True))
    assert smaller.ran is violation.ran


async def test_it_ends_when_its_schedules_are_used_up() -> None:
    scene = Scene()
    _, told = await scene.smaller(await scene.found(NEEDLESS), spare=ShrinkBudget(2, 60.0))
    assert told.schedules == scene.runs == 2


async def test_it_ends_when_its_time_is_used_up() -> None:
    scene = Scene()
    _, told = await scene.smaller(await scene.found(NEEDLESS), spare=ShrinkBudget(100, 3.0))
    assert told.schedules == scene.runs == 3


async def test_another_finding_on_the_way_is_not_taken_for_it() -> None:
    scene = Scene()
    violation = await scene.found(NEEDLESS)

    async def another(_: RaceResult) -> GapFound | None:
        return GapFound("a seat is sold twice")

    scene.check = another  # type: ignore[method-assign]
    smaller, told = await scene.smaller(violation)
    assert told.left_with == told.found_with == 4
    assert smaller.found is violation.found


async def test_the_same_words_from_another_check_are_another_finding() -> None:
    scene = Scene()
    violation = await scene.found(NEEDLESS)
    violation.found.details["check"] = "keeps_both"

    async def another(_: RaceResult) -> GapFound | None:
        return GapFound("an update is lost", details={"check": "keeps_one"})

    scene.check = another  # type: ignore[method-assign]
    assert (await scene.smaller(violation))[1].left_with == 4


async def test_nothing_is_concluded_from_a_disturbed_run() -> None:
    scene = Scene()
    violation = await scene.found(NEEDLESS)

    async def disturbed(_: Strategy) -> None:
        return None

    scene.run = disturbed  # type: ignore[method-assign]
    smaller, told = await scene.smaller(violation, spare=ShrinkBudget(5, 60.0))
    assert (told.schedules, told.left_with, told.fewest) == (5, 4, False)
    assert smaller.ran is violation.ran


async def test_a_failure_on_the_way_leaves_what_was_found() -> None:
    scene = Scene()
    violation = await scene.found(NEEDLESS)

    async def failing(_: Strategy) -> None:
        raise HarnessError("the stack is gone")

    scene.run = failing  # type: ignore[method-assign]
    smaller, told = await scene.smaller(violation)
    assert smaller.found is violation.found
    assert not told.fewest
