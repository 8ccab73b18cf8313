"""Moments spread over a measured number of messages.

A moment is a message of a link, identified by its count and not by time: 'before the n-th message of this
checkout' means the same on a slow machine.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Sequence
from typing import TypeVar

T = TypeVar("T")


def moments(k: int, total: int, rng: random.Random) -> list[int]:
    """Draw `k` message numbers from 1 to `total`, spread evenly.

    The messages are divided into `k` shares of (nearly) equal length, and one message is drawn from each,
    so every part of the range is covered. With more moments than messages, each message is drawn
    k // total times or once more.

    Args:
        k: the number of moments, at least 1.
        total: the number of messages measured, at least 1.
        rng: source of the position of a moment within its share.

    Raises:
        ValueError: `k` or `total` is below 1.
    """
    if k < 1 or total < 1:
        raise ValueError(f"moments need at least one moment and one message, got k={k}, total={total}")
    rounds, rest = divmod(k, total)
    drawn = list(range(1, total + 1)) * rounds
    for share in range(rest):
        first, end = share * total // rest, (share + 1) * total // rest
        drawn.append(rng.randrange(first, end) + 1)
    return sorted(drawn)


def sample_of(cases: Sequence[T], k: int, rng: random.Random, *, always: Collection[T] = ()) -> list[T]:
    """Draw `k` cases besides those that are always taken; all are in the order of `cases`."""
    others = [case for case in cases if case not in always]
    drawn = rng.sample(others, min(k, len(others)))
    return [case for case in cases if case in always or case in drawn]
