from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator

import pytest

from overbooked.errors import DeadlineExceeded, GapFound
from overbooked.observe.polling import eventually, until


def looking_at(values: Iterator[int]) -> Callable[[], Awaitable[int]]:
    async def look() -> int:
        return next(values)

    return look


def is_three(value: int) -> None:
    if value != 3:
        raise GapFound("not three", observed=str(value))


async def test_it_is_asked_until_the_answer_is_yes() -> None:
    assert await until(looking_at(iter([0, 0, 7])), "seven") == 7


async def test_what_does_not_come_is_named() -> None:
    async def never() -> None:
        return None

    with pytest.raises(DeadlineExceeded, match=r"rain: not so within 0 s"):
        await until(never, "rain", within_s=0)


async def test_what_becomes_so_a_little_later_is_no_gap() -> None:
    assert await eventually(looking_at(iter([1, 2, 3])), is_three) == 3


async def test_what_is_so_at_once_is_looked_at_once() -> None:
    values = iter([3, 3])
    await eventually(looking_at(values), is_three)
    assert list(values) == [3]


async def test_what_never_becomes_so_is_the_gap_last_seen() -> None:
    with pytest.raises(GapFound) as found:
        await eventually(looking_at(iter(range(1, 3))), is_three, within_s=-1)
    assert found.value.observed == "1"
