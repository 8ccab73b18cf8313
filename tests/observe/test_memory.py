from __future__ import annotations

import asyncio

import pytest

from overbooked.errors import GapFound, HarnessError
from overbooked.observe.memory import peak_memory


class Grower:
    """A process with these memory sizes in successive measurements, and then `then`."""

    def __init__(self, name: str, takes: list[int]) -> None:
        self.name = name
        self.then = takes[-1]
        self.exhausted = asyncio.Event()
        self._takes = iter(takes)
        self._loop = asyncio.get_running_loop()

    def memory_bytes(self) -> int:
        taken = next(self._takes, None)
        if taken is None:
            self._loop.call_soon_threadsafe(self.exhausted.set)
            return self.then
        return taken


async def test_the_peak_is_the_most_that_all_took_together() -> None:
    app, other = Grower("app", [100, 700, 200]), Grower("app-2", [50, 60, 50])
    async with peak_memory([app, other], every_s=0.001) as peak:
        await asyncio.wait_for(app.exhausted.wait(), 5)
    assert peak.bytes == 760
    assert peak.looks >= 3


async def test_what_is_taken_at_the_very_end_counts() -> None:
    app = Grower("app", [100])
    async with peak_memory([app], every_s=60) as peak:
        await asyncio.wait_for(app.exhausted.wait(), 5)
        app.then = 900
    assert peak.bytes == 900


async def test_a_process_that_does_not_run_cannot_be_measured() -> None:
    with pytest.raises(HarnessError, match="app uses no memory"):
        async with peak_memory([Grower("app", [0])]):
            pass
    with pytest.raises(HarnessError, match="at least one process"):
        async with peak_memory([]):
            pass


async def test_a_gap_found_meanwhile_outweighs_a_look_that_failed() -> None:
    app = Grower("app", [100])
    app.then = 0

    async def finds() -> None:
        async with peak_memory([app], every_s=0.001):
            await asyncio.wait_for(app.exhausted.wait(), 5)
            raise GapFound("it grows")

    with pytest.raises(GapFound):
        await finds()
