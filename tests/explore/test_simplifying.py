"""What was found is made smaller on fresh races, and only as long as it stays the same finding."""

from __future__ import annotations

from collections.abc import Sequence

from overbooked.errors import GapFound, HarnessError
from overbooked.interleavings.results import Minimised, Violation
from overbooked.interleavings.scheduler.controller import Experience, Scheduled
from overbooked.interleavings.scheduler.race import Ran
from overbooked.interleavings.scheduler.strategy import Chooser, following
from overbooked.interleavings.shrinker import Spare, simplified
from tests.explore.test_interleavings import Table, increments, steps

# Both read before either writes: one preemption shows it, three are no better.
NEEDLESS = (0, 1, 0, 1, 1, 0)
ENOUGH = Spare(100, 60.0)


class Scene:
    """Two who increment without a lock, found to lose an update under some schedule."""

    def __init__(self) -> None:
        self.table = Table(lambda server: [increments(server), increments(server)])
        self.experience = Experience()
        self.runs = 0
        self.now = 0.0

    async def found(self, schedule: Sequence[int]) -> Violation:
        ran, scheduled = await self.table(following(schedule), experience=self.experience)
        found = await self.check(ran)
        assert found is not None
        return Violation(found, ran, scheduled, 7)

    async def run(self, choose: Chooser) -> tuple[Ran, Scheduled] | None:
        self.runs += 1
        self.now += 1.0
        return await self.table(choose, experience=self.experience)

    async def check(self, ran: Ran) -> GapFound | None:
        return await self.table.keeps_both(ran)

    async def smaller(
        self, violation: Violation, *, at_least: int = 0, spare: Spare = ENOUGH
    ) -> tuple[Violation, Minimised]:
        smaller = await simplified(
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
    assert (scene.runs, told) == (0, Minimised(1, 1, 0, fewest=True))
    assert smaller.ran is violation.ran


async def test_it_ends_when_its_schedules_are_used_up() -> None:
    scene = Scene()
    _, told = await scene.smaller(await scene.found(NEEDLESS), spare=Spare(2, 60.0))
    assert told.schedules == scene.runs == 2


async def test_it_ends_when_its_time_is_used_up() -> None:
    scene = Scene()
    _, told = await scene.smaller(await scene.found(NEEDLESS), spare=Spare(100, 3.0))
    assert told.schedules == scene.runs == 3


async def test_another_finding_on_the_way_is_not_taken_for_it() -> None:
    scene = Scene()
    violation = await scene.found(NEEDLESS)

    async def another(_: Ran) -> GapFound | None:
        return GapFound("a seat is sold twice")

    scene.check = another  # type: ignore[method-assign]
    smaller, told = await scene.smaller(violation)
    assert told.left_with == told.found_with == 4
    assert smaller.found is violation.found


async def test_the_same_words_from_another_check_are_another_finding() -> None:
    scene = Scene()
    violation = await scene.found(NEEDLESS)
    violation.found.details["check"] = "keeps_both"

    async def another(_: Ran) -> GapFound | None:
        return GapFound("an update is lost", details={"check": "keeps_one"})

    scene.check = another  # type: ignore[method-assign]
    assert (await scene.smaller(violation))[1].left_with == 4


async def test_nothing_is_concluded_from_a_disturbed_run() -> None:
    scene = Scene()
    violation = await scene.found(NEEDLESS)

    async def disturbed(_: Chooser) -> None:
        return None

    scene.run = disturbed  # type: ignore[method-assign]
    smaller, told = await scene.smaller(violation, spare=Spare(5, 60.0))
    assert (told.schedules, told.left_with, told.fewest) == (5, 4, False)
    assert smaller.ran is violation.ran


async def test_a_failure_on_the_way_leaves_what_was_found() -> None:
    scene = Scene()
    violation = await scene.found(NEEDLESS)

    async def failing(_: Chooser) -> None:
        raise HarnessError("the stack is gone")

    scene.run = failing  # type: ignore[method-assign]
    smaller, told = await scene.smaller(violation)
    assert smaller.found is violation.found
    assert not told.fewest
