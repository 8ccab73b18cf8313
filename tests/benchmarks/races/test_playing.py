from __future__ import annotations

import asyncio
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

from overbooked.errors import GapFound, HarnessError
from overbooked.histories.history import History
from overbooked.interleavings.scheduler.actors import Actor
from overbooked.interleavings.scheduler.race import RaceResult, Races
from overbooked.targets.adapter import Action, Answer, HttpRequest, Outcome
from overbooked.verdicts.judge import Judge
from tests.benchmarks.races.collecting import Stated
from tests.benchmarks.races.crowds import Crowd
from tests.benchmarks.races.playing import play

SYSTEM: Any = SimpleNamespace(recorder=SimpleNamespace(now=lambda: 0.0), history_since=lambda _: History(()))
PAIRS = Crowd(size=4, people=[], slots={})


class Echo:
    """Answers every request with its sequence number."""

    def __init__(self, fails: int = 0) -> None:
        self.rounds = 0
        self._fails = fails

    async def __call__(self, cast: Sequence[Actor]) -> list[Answer | None]:
        self.rounds += 1
        if self.rounds <= self._fails:
            raise HarnessError("no connection could be made ready")
        return [Answer(Outcome.OK, place) for place in range(len(cast))]

    async def close(self) -> None: ...


def stated(name: str, check: Any) -> Stated:
    async def race() -> Races:
        requests = [Action(verb, "ana", HttpRequest("POST", "/"), _unread) for verb in ("cancel", "move")]
        while True:
            ran = yield requests
            with Judge(["SYS-03.b"], name)("SYS-03.b"):
                check(ran)

    return Stated(name, "SYS-03.b", race)


def _unread(_: object) -> Answer:
    raise AssertionError("nothing was sent")


def nothing(_: RaceResult) -> None: ...


def found(_: RaceResult) -> None:
    raise GapFound("oversold", expected="1", observed="2")


async def test_races_take_turns_until_one_shows_something() -> None:
    hunt = await play([stated("a", nothing), stated("b", found)], SYSTEM, PAIRS, Echo(), allowed_s=60)
    assert (hunt.rounds, hunt.race, hunt.what, hunt.detected) == (2, "b", "oversold", True)


async def test_each_race_is_judged_by_its_own_answers() -> None:
    judged: list[list[int | None]] = []

    def check(ran: RaceResult) -> None:
        judged.append([answer.status for answer in ran.answers])
        if len(judged) == 2:
            found(ran)

    await play([stated("side by side", check)], SYSTEM, PAIRS, Echo(), allowed_s=60)
    assert judged == [[0, 1], [2, 3]]


async def test_a_round_that_the_harness_broke_off_is_undecided() -> None:
    hunt = await play([stated("a", found)], SYSTEM, PAIRS, Echo(fails=2), allowed_s=60)
    assert (hunt.rounds, hunt.undecided, hunt.detected) == (3, 2, True)
    assert hunt.why == "HarnessError: no connection could be made ready"


async def test_without_time_nothing_is_played() -> None:
    way = Echo()
    hunt = await play([stated("a", found)], SYSTEM, PAIRS, way, allowed_s=0)
    assert (hunt.rounds, hunt.detected, way.rounds) == (0, False, 0)


async def test_a_round_without_end_is_broken_off() -> None:
    class Silent(Echo):
        async def __call__(self, cast: Sequence[Actor]) -> list[Answer | None]:
            await asyncio.Event().wait()
            return []

    hunt = await play([stated("a", found)], SYSTEM, PAIRS, Silent(), allowed_s=0.01)
    assert (hunt.rounds, hunt.undecided, hunt.detected) == (1, 1, False)
