"""Waiting for something to be so, with a deadline."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from overbooked.errors import DeadlineExceeded, GapFound

T = TypeVar("T")

WITHIN_S = 10.0
_POLL_S = 0.005
# How long a system may take to act on what it has acknowledged and recorded.
SOON_S = 3.0


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


async def eventually(
    look: Callable[[], Awaitable[T]], oracle: Callable[[T], None], *, within_s: float = SOON_S
) -> T:
    """Look until the oracle finds nothing, and return what it then saw.

    For what a system may rightly do a moment after its answer. Where it is done before, one look is
    enough; never for what must hold at every moment.

    Args:
        look: looks once, e.g. at durable state.
        oracle: raises GapFound while it is not so.
        within_s: seconds to wait before the finding counts.

    Raises:
        GapFound: what the oracle still found at the deadline.
    """
    deadline = time.monotonic() + within_s
    while True:
        seen = await look()
        try:
            oracle(seen)
        except GapFound:
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(_POLL_S)
        else:
            return seen
