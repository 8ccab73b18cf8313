"""Much to do at once, a little at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from typing import TypeVar

T = TypeVar("T")

# Fewer than a service has connections to its database.
AT_A_TIME = 16


async def some_at_a_time(work: Sequence[Awaitable[T]], n: int = AT_A_TIME) -> list[T]:
    """The results of all of it, in order; never more than `n` are under way."""
    results: list[T] = []
    for start in range(0, len(work), n):
        results += await asyncio.gather(*work[start : start + n])
    return results
