from __future__ import annotations

import pytest

from overbooked.journeys.identities import People


def test_the_same_seed_meets_the_same_people() -> None:
    one, other = People(7, mark="m"), People(7, mark="m")
    assert one.some(20) == other.some(20)
    assert People(8, mark="m").some(5) != People(7, mark="m").some(5)


def test_nobody_is_met_twice() -> None:
    people = People(7).some(300)
    assert len({one.nick for one in people}) == 300
    assert len({one.email for one in people}) == 300


def test_the_same_people_have_new_addresses_every_time() -> None:
    first, again = People(7).some(5), People(7).some(5)
    assert [one.name for one in first] == [one.name for one in again]
    assert not {one.email for one in first} & {one.email for one in again}


def test_a_nick_is_one_plain_word_and_a_name_may_be_anything() -> None:
    people = People(7).some(300)
    assert all(one.nick.isascii() and one.nick.isalnum() and one.nick.islower() for one in people)
    assert any(not one.name.isascii() for one in people)
    assert all(" " in one.name for one in people)
    assert all(one.phone.startswith("+44 7700 900") for one in people)


def test_fewer_than_nobody_is_a_mistake() -> None:
    assert People(1).some(0) == []
    with pytest.raises(ValueError, match="0 or more, got -1"):
        People(1).some(-1)
