"""Run several coroutines at once: all of them, or a limited number at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Coroutine, Sequence
from typing import Any, TypeVar

T = TypeVar("T")

# Below the size of a service's database connection pool.
LIMIT = 16


async def run_all(*parts: Coroutine[Any, Any, object]) -> None:
    """Run all at once; the first failure cancels the others and is raised unchanged."""
    tasks = [asyncio.ensure_future(part) for part in parts]
    try:
        await asyncio.gather(*tasks)
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise


async def run_limited(work: Sequence[Awaitable[T]], n: int = LIMIT) -> list[T]:
    """Run all of `work`, at most `n` at a time, and return the results in the order of `work`."""
    results: list[T] = []
    for start in range(0, len(work), n):
        results += await asyncio.gather(*work[start : start + n])
    return results
