"""Waits for a condition by polling, with a deadline."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable


async def until(condition: Callable[[], Awaitable[bool]], *, timeout_s: float = 20) -> None:
    """Poll until the condition holds; raises TimeoutError."""
    async with asyncio.timeout(timeout_s):
        while not await condition():  # noqa: ASYNC110 - another process decides
            await asyncio.sleep(0.01)
