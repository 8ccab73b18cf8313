"""Findings of bursts have their circumstances, and are searched for in every order of two requests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import pytest

from overbooked.bursts.burst_races import MakeExplore, explore_pairs, pairs
from overbooked.bursts.bursts import Bursts
from overbooked.errors import GapFound, HarnessError, NotSupported
from overbooked.histories.history import History
from overbooked.interleavings.explorer import Explorer
from overbooked.interleavings.race_source import RaceSource
from overbooked.interleavings.scheduler.actors import as_actor
from overbooked.interleavings.scheduler.race import RaceResult, Races
from overbooked.targets.adapter import Action, Answer, HttpRequest, Outcome
from overbooked.verdicts.judge import Judge, overhearing


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


async def one_wins(judge: Judge, outside: bool = False) -> Races:
    """At most one of the requests succeeds; the finding is raised outside a judge block if asked."""
    while True:
        ran = yield crowd()
        if outside:
            require_one(ran)
        with judge("SYS-03.c"):
            require_one(ran)


def require_one(ran: RaceResult) -> None:
    won = [answer for answer in ran.answers if answer.status == 201]
    if len(won) > 1:
        raise GapFound("sold twice", observed=f"{len(won)} bookings")


class FakeExplorer:
    """Runs a race once, with given answers."""

    def __init__(self, judge: Judge, *, answers: int = 201, preemptions: int = 1) -> None:
        self.judge = judge
        self.answers = answers
        self.preemptions = preemptions
        self.closed = False

    async def explore(self, race: Any, *args: Any, name: str, schedules: int, places: Sequence[int]) -> Any:
        source = RaceSource(race, args, lambda: 0.0, places=places)
        taken = await source.take()
        answers = [Answer(Outcome.OK, self.answers) for _ in taken.actors]
        judgement = await source.judge(RaceResult(taken, answers, History(())))
        for clause, gap in judgement.of(self.judge.clauses).items():
            gap.details.update(preemptions=self.preemptions, race=name)
            with self.judge(clause):
                raise gap
        await source.close()
        return type("Explored", (), {"schedules": 7})()

    async def close(self) -> None:
        self.closed = True


async def details_of(judge: Judge, make: MakeExplore) -> dict[str, Any]:
    """Explore the crowd's pairs; return the details by clause."""
    actors = [as_actor(one) for one in crowd()]
    explanations = await explore_pairs(one_wins, (judge,), actors, ["SYS-03.c"], "a", make)
    return {each.clause: each.details for each in explanations}


def test_pairs_share_something_and_the_same_verb_goes_first() -> None:
    found = pairs([as_actor(one) for one in crowd()])
    assert [(pair.places, pair.title) for pair in found] == [
        ((0, 1), "cancel and cancel of a burst, 1 and 2"),
        ((4, 5), "book and book of a burst, 5 and 6"),
        ((2, 3), "reschedule and book of a burst, 3 and 4"),
    ]


async def test_a_schedule_that_breaks_is_told() -> None:
    judge = Judge(["SYS-03.c"], "a")
    told = await details_of(judge, lambda aside: cast("Explorer", FakeExplorer(aside)))
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
    told = await details_of(judge, lambda aside: cast("Explorer", FakeExplorer(aside, **made)))
    assert why in told["SYS-03.c"]["no schedule"]
    assert "schedule" not in told["SYS-03.c"]


async def test_missing_means_are_named() -> None:
    def cannot(_: Judge) -> Explorer:
        raise NotSupported("the order of messages cannot be chosen on app->postgres")

    told = await details_of(Judge(["SYS-03.c"], "a"), cannot)
    assert told["SYS-03.c"]["no schedule"].startswith("this race cannot be explored: the order of messages")


async def test_an_exploration_that_breaks_costs_no_finding() -> None:
    class Broken(FakeExplorer):
        async def explore(self, race: Any, *args: Any, **more: Any) -> Any:
            raise HarnessError("disturbed")

    judge = Judge(["SYS-03.c"], "a")
    told = await details_of(judge, lambda aside: cast("Explorer", Broken(aside)))
    assert "disturbed" in told["SYS-03.c"]["no schedule"]


def test_what_is_overheard_neither_opens_nor_closes() -> None:
    judge = Judge(["SYS-03.c", "SYS-03.e"], "a")
    with overhearing() as heard:
        with judge("SYS-03.c"):
            raise GapFound("sold twice")
        with judge("SYS-03.e"):
            pass
    assert [clause for clause, _ in heard.found] == ["SYS-03.c"]
    assert heard.judged == {"SYS-03.c", "SYS-03.e"}
    assert judge.unruled == ("SYS-03.c", "SYS-03.e")


@pytest.mark.parametrize("raises", [True, False], ids=["raised", "ruled in a block"])
async def test_a_finding_of_a_burst_is_ruled_on_before_it_is_looked_into(raises: bool) -> None:
    judge = Judge(["SYS-03.c"], "a")

    class Interrupted(FakeExplorer):
        async def explore(self, race: Any, *args: Any, **more: Any) -> Any:
            raise KeyboardInterrupt

    bursts = Bursts.__new__(Bursts)
    bursts._judge = judge
    bursts._script = None
    bursts._explore = lambda aside: cast("Explorer", Interrupted(aside))
    bursts._logs = lambda: {"app": [f"line {n}" for n in range(50)]}
    bursts._system = cast("Any", _System())

    async def burst(actions: Sequence[Action]) -> list[Answer]:
        return [Answer(Outcome.OK, 201) for _ in actions]

    bursts.burst = burst  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        await bursts.play(one_wins, judge, raises, rounds=3)
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

    def history_since(self, _: float) -> History:
        return History(())
