"""How much memory processes take while something is done, at most."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Protocol

from overbooked.errors import HarnessError

# A look costs a few milliseconds; what is held for shorter than this is no growth.
EVERY_S = 0.02


class Measurable(Protocol):
    """A process whose memory can be read; `overbooked.stacks.base.protocol.Process` is one."""

    @property
    def name(self) -> str: ...

    def memory_bytes(self) -> int: ...


class Peak:
    """The most memory seen so far, over all processes together.

    Args:
        processes: each with all it started.
    """

    def __init__(self, processes: Sequence[Measurable]) -> None:
        if not processes:
            raise HarnessError("memory is measured of at least one process; the stack has none to look at")
        self._processes = processes
        self.bytes = 0
        self.looks = 0

    def look(self) -> None:
        """Measure once; blocking.

        Raises:
            HarnessError: one of the processes does not run.
        """
        seen = [process.memory_bytes() for process in self._processes]
        if 0 in seen:
            raise HarnessError(
                f"{self._processes[seen.index(0)].name} takes no memory, so it does not run: "
                "what it takes while it works cannot be measured"
            )
        self.bytes = max(self.bytes, sum(seen))
        self.looks += 1


@asynccontextmanager
async def peak_memory(processes: Sequence[Measurable], *, every_s: float = EVERY_S) -> AsyncIterator[Peak]:
    """The peak while the block runs: looked at when it begins, every `every_s` seconds, and at its end.

    Raises:
        HarnessError: a process does not run, or there is none.
    """
    peak, over = Peak(processes), asyncio.Event()

    async def watch() -> None:
        while not over.is_set():
            await asyncio.to_thread(peak.look)
            with suppress(TimeoutError):
                await asyncio.wait_for(over.wait(), every_s)
        await asyncio.to_thread(peak.look)

    await asyncio.to_thread(peak.look)
    watching = asyncio.create_task(watch())
    try:
        yield peak
    except BaseException:
        # What went wrong in the block weighs more than a look that failed.
        over.set()
        await asyncio.gather(watching, return_exceptions=True)
        raise
    over.set()
    await watching
