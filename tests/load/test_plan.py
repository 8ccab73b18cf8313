"""Arrivals are scheduled ahead, and a plan is transferred completely to another process."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from overbooked.descriptor import Descriptor
from overbooked.errors import HarnessError
from overbooked.load.plan import LoadPlan, schedule
from overbooked.targets.adapter import Account, Money, Slot
from tests.load.samples import profile

TOWN = Descriptor(name="town", adapter="tests.targets.town:TownHall", root=Path(__file__).parents[2])


def test_arrivals_come_in_order_within_the_time_and_as_many_as_said():
    arrivals = schedule(profile(rate=100, seconds=3), seed=1, doors=2)
    moments = [arrival.at_s for arrival in arrivals]
    assert len(arrivals) == 300
    assert moments == sorted(moments)
    assert moments[0] >= 0
    assert moments[-1] <= 3
    # Poisson, given its count: about a hundred in each second.
    assert all(60 < count < 140 for count in Counter(int(at_s) for at_s in moments).values())


def test_doors_are_called_on_in_turn_and_everyone_and_everything_is_drawn():
    arrivals = schedule(profile(), seed=1, doors=2)
    assert [arrival.door for arrival in arrivals[:4]] == [0, 1, 0, 1]
    assert {arrival.who for arrival in arrivals} == {0, 1, 2}
    assert {arrival.slot for arrival in arrivals} == {0, 1}
    assert len({arrival.key for arrival in arrivals}) == len(arrivals)


def test_visits_are_drawn_by_their_shares():
    shares = {"book": 1.0, "buy": 3.0}
    drawn = Counter(a.visit for a in schedule(profile(rate=1000, journeys=shares), seed=1, doors=1))
    assert 200 < drawn["book"] < 300
    assert {a.visit for a in schedule(profile(journeys=shares), seed=1, doors=1, visits={"book": 1})} == {
        "book"
    }


def test_one_seed_schedules_the_same():
    assert schedule(profile(), seed=7, doors=1) == schedule(profile(), seed=7, doors=1)
    assert schedule(profile(), seed=7, doors=1) != schedule(profile(), seed=8, doors=1)


def plan(session: object) -> LoadPlan:
    return LoadPlan.of(
        TOWN,
        profile(),
        doors=["http://127.0.0.1:1"],
        people=[Account("Ana", "ana@example.com", session=session)],
        slots=[Slot("s1", 5, Money(100))],
        arrivals=schedule(profile(), seed=1, doors=1),
    )


def test_a_plan_reads_back():
    sent = plan({"token": "t"})
    assert LoadPlan.from_line(sent.as_line()) == sent
    assert "\n" not in sent.as_line()


def test_a_session_that_cannot_travel_is_named():
    with pytest.raises(HarnessError, match=r"keep plain data in `Account\.session`"):
        plan(lambda: None).as_line()
