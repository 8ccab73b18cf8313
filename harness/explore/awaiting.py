"""Waiting for something to be so, with a deadline."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from harness.errors import DeadlineExceeded

T = TypeVar("T")

WITHIN_S = 10.0
_POLL_S = 0.005


async def until(ask: Callable[[], Awaitable[T | None]], what: str, *, within_s: float = WITHIN_S) -> T:
    """Ask until the answer is truthy, and return it.

    Args:
        ask: looks once.
        what: what is waited for, for the message.
        within_s: seconds to wait before giving up.

    Raises:
        DeadlineExceeded: it was not so in time.
    """
    deadline = time.monotonic() + within_s
    while True:
        if found := await ask():
            return found
        if time.monotonic() > deadline:
            raise DeadlineExceeded(f"{what}: not so within {within_s:g} s")
        await asyncio.sleep(_POLL_S)
