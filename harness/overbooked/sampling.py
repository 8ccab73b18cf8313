"""Moments spread over a measured number of messages.

A moment is a message of a link, found by counting and never by time: 'before the n-th message of this
checkout' means the same on a slow machine.
"""

from __future__ import annotations

import random


def moments(k: int, total: int, rng: random.Random) -> list[int]:
    """`k` message numbers from 1 to `total`, spread evenly and drawn within their share.

    The messages are divided into `k` shares of (nearly) equal length and one message is drawn from
    each, so that no stretch is left out. With more moments than messages each message comes up
    k // total times or once more.

    Args:
        k: how many, at least 1.
        total: how many messages were measured, at least 1.
        rng: where in its share a moment falls, and which are doubled.

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
