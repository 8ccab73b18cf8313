from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from overbooked.interleavings.race_source import RaceSource
from overbooked.interleavings.scheduler.actors import Actor
from overbooked.interleavings.scheduler.race import Race, Races
from overbooked.targets.adapter import Action, Answer, HttpRequest, Money, Outcome, Slot
from tests.benchmarks.races.crowds import Crowd

SLOT, OTHER = Slot("s", 1, Money(1)), Slot("o", 1, Money(1))


def action(verb: str, who: str = "ana", **args: Any) -> Action:
    return Action(verb, who, HttpRequest("POST", "/"), lambda _: Answer(Outcome.OK), args)


@dataclass
class Customer:
    nick: str

    def books(self, slot: Slot) -> Action:
        return action("book", self.nick, slot=slot.id)


def crowd(size: int) -> Crowd:
    people: Any = [Customer(f"c{number}") for number in range(size)]
    return Crowd(size, people, {slot.id: slot for slot in (SLOT, OTHER)})


def deeds(race: Race) -> list[tuple[str, str, object]]:
    return [
        (actor.name, actor.verb, next(iter(actor.does.args.values())))
        for actor in race.actors
        if isinstance(actor.does, Action)
    ]


async def made(actors: Sequence[Action | Actor], size: int) -> list[Race]:
    async def race() -> Races:
        yield actors

    return [made for _, made in await crowd(size).races(lambda: RaceSource(race, (), lambda: 0.0))]


async def test_more_customers_come_for_the_same_place() -> None:
    (race,) = await made([action("book", slot="s"), action("cancel", booking="b")], size=5)
    assert deeds(race) == [
        ("ana", "book", "s"),
        ("ana", "cancel", "b"),
        ("c0", "book", "s"),
        ("c1", "book", "s"),
        ("c2", "book", "s"),
    ]


async def test_customers_come_for_every_place_that_is_booked_in_turn() -> None:
    (race,) = await made([action("book", slot="s"), action("book", "ben", slot="o")], size=5)
    assert [slot for _, _, slot in deeds(race)] == ["s", "o", "s", "o", "s"]


async def test_what_is_done_twice_is_done_as_often_as_is_wanted() -> None:
    twice = [action("deliver", event="paid"), action("deliver", event="paid")]
    (race,) = await made([*twice, action("deliver", event="refunded")], size=6)
    assert [event for _, _, event in deeds(race)] == ["paid", "paid", "refunded", "paid", "paid", "paid"]


@pytest.mark.parametrize(
    "actors",
    [
        [action("cancel", booking="b"), action("reschedule", booking="b")],
        [action("book", slot="elsewhere"), action("resize", slot="s")],
        [action("book", slot="s", key="k"), action("cancel", booking="b")],
    ],
    ids=["different deeds", "a place nobody opened", "a request with a key"],
)
async def test_any_other_race_is_run_side_by_side(actors: list[Action]) -> None:
    races = await made(actors, size=7)
    assert [len(race.actors) for race in races] == [2, 2, 2]


async def test_a_race_with_somebody_who_does_several_things_is_run_side_by_side() -> None:
    async def pays_and_books(_: int) -> None: ...

    actors: list[Action | Actor] = [action("book", slot="s"), Actor("ben", "pays", pays_and_books)]
    races = await made(actors, size=20)
    assert len(races) == 10


async def test_a_race_larger_than_the_crowd_stays_whole() -> None:
    (race,) = await made([action("book", slot="s")] * 3, size=2)
    assert len(race.actors) == 3
