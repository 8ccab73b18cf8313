from __future__ import annotations

import random

import pytest

from overbooked.bursts.odds import odds
from overbooked.sampling import moments


def test_moments_lie_in_every_share_of_the_messages() -> None:
    for seed in range(20):
        found = moments(5, 100, random.Random(seed))
        assert [(moment - 1) // 20 for moment in found] == [0, 1, 2, 3, 4]


def test_moments_are_messages_there_were() -> None:
    for k in (1, 3, 7, 40):
        for total in (1, 2, 7, 13):
            found = moments(k, total, random.Random(k))
            assert len(found) == k
            assert found == sorted(found)
            assert set(found) <= set(range(1, total + 1))


def test_with_more_moments_than_messages_each_message_comes_up() -> None:
    found = moments(10, 4, random.Random(1))
    assert {found.count(message) for message in range(1, 5)} <= {2, 3}


def test_the_same_seed_gives_the_same_moments() -> None:
    assert moments(6, 50, random.Random(9)) == moments(6, 50, random.Random(9))


@pytest.mark.parametrize(("k", "total"), [(0, 5), (5, 0), (-1, 3)])
def test_no_moment_without_messages(k: int, total: int) -> None:
    with pytest.raises(ValueError, match="at least one moment and one message"):
        moments(k, total, random.Random(0))


def test_odds_grow_with_rounds() -> None:
    assert odds(0.75, 1) == 0.75
    assert odds(0.5, 3) == 0.875
    assert odds(0.0, 100) == 0.0
    assert odds(1.0, 1) == 1.0
    with pytest.raises(ValueError, match="a probability is between 0 and 1"):
        odds(1.5, 2)
