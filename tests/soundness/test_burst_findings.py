"""What a burst finds is told with its circumstances, and is looked for in every order of two requests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import pytest

from overbooked.bursts.burst_races import BurstRace, explored, pairs
from overbooked.bursts.bursts import Races
from overbooked.bursts.odds import Played, Round
from overbooked.errors import GapFound, HarnessError, NotSupported
from overbooked.interleavings.explorer import Explore
from overbooked.interleavings.scheduler.race import Race, Ran
from overbooked.targets.adapter import Action, Answer, HttpRequest, Outcome
from overbooked.verdicts.judge import Judge


def action(who: str, verb: str, **args: str) -> Action:
    return Action(verb, who, HttpRequest("POST", "/"), lambda _: Answer(Outcome.OK, 201), args)


def crowd() -> list[Action]:
    return [
        action("ana", "cancel", booking="b1"),
        action("ana", "cancel", booking="b1"),
        action("ben", "reschedule", booking="b2", to="s2"),
        action("cem", "book", slot="s2"),
        action("dan", "book", slot="s1"),
        action("eva", "book", slot="s1"),
    ]


async def make_round(_: int) -> Round:
    return Round(crowd())


class Exploring:
    """Stands for what explores: runs a race once, with answers as it is told to."""

    def __init__(self, judge: Judge, *, answers: int = 201, preemptions: int = 1) -> None:
        self.judge = judge
        self.answers = answers
        self.preemptions = preemptions
        self.closed = False

    async def interleavings(self, make: Any, *, clause: str, name: str, schedules: int) -> Any:
        race: Race = await make()
        answers = [Answer(Outcome.OK, self.answers) for _ in race.actors]
        ran = Ran(race, answers, cast("Any", None), cast("Any", None))
        with self.judge(clause):
            try:
                for check in race.always:
                    await cast("Any", check)(ran)
            except GapFound as gap:
                gap.details.update(preemptions=self.preemptions, race=name)
                raise
        return type("Explored", (), {"schedules": 7})()

    async def close(self) -> None:
        self.closed = True


def one_wins(played: Played) -> None:
    won = [answer for answer in played.answers if answer.status == 201]
    if len(won) > 1:
        raise GapFound("sold twice", observed=f"{len(won)} bookings")


def race(judge: Judge, clauses: Sequence[str] = ("SYS-03.c",)) -> BurstRace:
    return BurstRace(judge, make_round, one_wins, 0, clauses)


def test_pairs_share_something_and_the_same_verb_goes_first() -> None:
    found = pairs(crowd())
    assert [(pair.places, pair.title) for pair in found] == [
        ((0, 1), "cancel and cancel of a burst, 1 and 2"),
        ((4, 5), "book and book of a burst, 5 and 6"),
        ((2, 3), "reschedule and book of a burst, 3 and 4"),
    ]


async def test_a_schedule_that_breaks_is_told() -> None:
    judge = Judge(["SYS-03.c"], "a")
    told = dict(await explored(race(judge), crowd(), lambda aside: cast("Explore", Exploring(aside))))
    details = told["SYS-03.c"]
    assert details["preemptions"] == 1
    assert details["in the schedule"]["observed"] == "2 bookings"
    assert judge.open_clauses == (), "what is only looked for rules on nothing"


@pytest.mark.parametrize(
    ("made", "why"),
    [
        ({"answers": 409}, "cancel and cancel of a burst, 1 and 2: closed, 7 schedules; book and book"),
        ({"preemptions": 0}, "broken one after the other"),
    ],
    ids=["none breaks", "no race is needed"],
)
async def test_without_a_schedule_the_evidence_says_why(made: dict[str, int], why: str) -> None:
    judge = Judge(["SYS-03.c"], "a")
    told = dict(await explored(race(judge), crowd(), lambda aside: cast("Explore", Exploring(aside, **made))))
    assert why in told["SYS-03.c"]["no schedule"]
    assert "schedule" not in told["SYS-03.c"]


async def test_missing_means_are_named() -> None:
    def cannot(_: Judge) -> Explore:
        raise NotSupported("the order of messages cannot be chosen on app->postgres")

    told = dict(await explored(race(Judge(["SYS-03.c"], "a")), crowd(), cannot))
    assert told["SYS-03.c"]["no schedule"].startswith("this race cannot be explored: the order of messages")


async def test_an_exploration_that_breaks_costs_no_finding() -> None:
    class Broken(Exploring):
        async def interleavings(self, make: Any, **more: Any) -> Any:
            raise HarnessError("disturbed")

    judge = Judge(["SYS-03.c"], "a")
    told = dict(await explored(race(judge), crowd(), lambda aside: cast("Explore", Broken(aside))))
    assert "disturbed" in told["SYS-03.c"]["no schedule"]


def test_what_is_overheard_neither_opens_nor_closes() -> None:
    judge = Judge(["SYS-03.c", "SYS-03.e"], "a")
    with judge.overhearing() as heard:
        with judge("SYS-03.c"):
            raise GapFound("sold twice")
        with judge("SYS-03.e"):
            pass
    assert [clause for clause, _ in heard] == ["SYS-03.c"]
    assert judge.unruled == ("SYS-03.c", "SYS-03.e")


@pytest.mark.parametrize("raises", [True, False], ids=["raised", "ruled in a block"])
async def test_a_finding_of_a_burst_is_ruled_on_before_it_is_looked_into(raises: bool) -> None:
    judge = Judge(["SYS-03.c"], "a")

    def check(played: Played) -> None:
        if raises:
            one_wins(played)
        with judge("SYS-03.c"):
            one_wins(played)

    class Interrupted(Exploring):
        async def interleavings(self, make: Any, **more: Any) -> Any:
            raise KeyboardInterrupt

    races = Races.__new__(Races)
    races._judge = judge
    races._script = None
    races._explore = lambda aside: cast("Explore", Interrupted(aside))
    races._logs = lambda: {"app": [f"line {n}" for n in range(50)]}
    races._system = cast("Any", _System())

    async def burst(actions: Sequence[Action]) -> list[Answer]:
        return [Answer(Outcome.OK, 201) for _ in actions]

    races.burst = burst  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        await races.rounds(3, make_round, check)
    (result,) = judge.conclude(HarnessError("interrupted"))
    assert result.verdict == "open"
    assert result.finding is not None
    burst_said = result.finding.details["burst"]
    assert (burst_said["round"], burst_said["size"]) == (1, 6)
    assert burst_said["answers"] == {"ok 201": 6}
    assert burst_said["log"]["app"][-1] == "line 49"
    assert len(burst_said["log"]["app"]) == 20


class _Clock:
    def now(self) -> float:
        return 0.0


class _System:
    recorder = _Clock()

    def history_since(self, _: float) -> Any:
        return None
