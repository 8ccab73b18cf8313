"""Measures the peak memory of processes during a piece of work."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Protocol

from overbooked.errors import HarnessError

# Seconds between samples. A sample takes a few milliseconds; a shorter peak does not count as growth.
EVERY_S = 0.02


class Measurable(Protocol):
    """A process whose memory can be read; `overbooked.stacks.base.protocol.Process` is one."""

    @property
    def name(self) -> str: ...

    def memory_bytes(self) -> int: ...


class PeakMemory:
    """The highest total memory of all processes in the samples so far, in bytes.

    Args:
        processes: the processes; each includes its descendants.
    """

    def __init__(self, processes: Sequence[Measurable]) -> None:
        if not processes:
            raise HarnessError("peak memory needs at least one process; the stack has none")
        self._processes = processes
        self.bytes = 0
        self.looks = 0

    def look(self) -> None:
        """Take one sample; blocking.

        Raises:
            HarnessError: a process is not running.
        """
        seen = [process.memory_bytes() for process in self._processes]
        if 0 in seen:
            raise HarnessError(
                f"{self._processes[seen.index(0)].name} uses no memory, so it is not running: "
                "its peak memory cannot be measured"
            )
        self.bytes = max(self.bytes, sum(seen))
        self.looks += 1


@asynccontextmanager
async def peak_memory(
    processes: Sequence[Measurable], *, every_s: float = EVERY_S
) -> AsyncIterator[PeakMemory]:
    """Measure the peak during the block: sample at its start, every `every_s` seconds, and at its end.

    Raises:
        HarnessError: a process is not running, or no process is given.
    """
    peak, over = PeakMemory(processes), asyncio.Event()

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
        # The block's own error is raised, not that of a failed sample.
        over.set()
        await asyncio.gather(watching, return_exceptions=True)
        raise
    over.set()
    await watching
