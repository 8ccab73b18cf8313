"""Waits for a condition, with a deadline."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from overbooked.errors import DeadlineExceeded, GapFound, findings_retried

T = TypeVar("T")

WITHIN_S = 10.0
_POLL_S = 0.005
# How long a system may take, in seconds, to act on a request that it has acknowledged and recorded.
SOON_S = 3.0


async def until(ask: Callable[[], Awaitable[T | None]], what: str, *, within_s: float = WITHIN_S) -> T:
    """Poll until the result is truthy, and return it.

    Args:
        ask: polls once.
        what: a description of the condition, for the error.
        within_s: the deadline, in seconds.

    Raises:
        DeadlineExceeded: the condition did not hold in time.
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
    """Poll until the oracle raises no finding, and return the value that passed.

    Use it for effects that a system may complete shortly after its answer, and never for an invariant that
    must hold at every moment.

    Args:
        look: reads the value once, e.g. the durable state.
        oracle: raises GapFound while the condition does not hold.
        within_s: seconds after which a finding counts.

    Raises:
        GapFound: the oracle still raised it at the deadline.
    """
    deadline = time.monotonic() + within_s
    while True:
        seen = await look()
        try:
            with findings_retried():
                oracle(seen)
        except GapFound:
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(_POLL_S)
        else:
            return seen
