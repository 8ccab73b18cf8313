from __future__ import annotations

import asyncio

import pytest

from overbooked.errors import HarnessError
from overbooked.observe.sampler import Onlooker


class Scene:
    """A changing state; `seen` is set at each sample."""

    def __init__(self) -> None:
        self.now = "before"
        self.seen = asyncio.Event()

    async def look(self) -> str:
        self.seen.set()
        return self.now

    async def turns(self, now: str) -> None:
        """Change the state and wait until it has been sampled."""
        self.now = now
        self.seen.clear()
        await asyncio.wait_for(self.seen.wait(), 5)


async def test_what_came_and_went_is_seen() -> None:
    scene = Scene()
    async with Onlooker[str]() as onlooker:
        onlooker.begin(scene.look)
        await scene.turns("meanwhile")
        await scene.turns("after")
        seen = await onlooker.end()
    assert "meanwhile" in seen
    assert seen[-1] == "after"


async def test_the_end_is_looked_at_whatever_came_before() -> None:
    scene = Scene()
    async with Onlooker[str]() as onlooker:
        onlooker.begin(scene.look)
        scene.now = "after"
        assert (await onlooker.end())[-1] == "after"


async def test_each_beginning_sees_its_own() -> None:
    scene = Scene()
    async with Onlooker[str]() as onlooker:
        onlooker.begin(scene.look)
        await onlooker.end()
        scene.now = "later"
        onlooker.begin(scene.look)
        assert set(await onlooker.end()) == {"later"}


async def test_nobody_looks_at_two_things() -> None:
    scene = Scene()
    async with Onlooker[str]() as onlooker:
        onlooker.begin(scene.look)
        with pytest.raises(HarnessError, match="a sampling is running"):
            onlooker.begin(scene.look)


async def test_an_end_without_a_beginning_is_an_error() -> None:
    async with Onlooker[str]() as onlooker:
        with pytest.raises(HarnessError, match="no sampling is running"):
            await onlooker.end()


async def test_a_look_that_fails_is_told_at_the_end() -> None:
    async def blind() -> str:
        raise LookupError("dark")

    async with Onlooker[str]() as onlooker:
        onlooker.begin(blind)
        with pytest.raises(LookupError, match="dark"):
            await onlooker.end()


async def test_looking_stops_when_the_scenario_breaks_off() -> None:
    scene = Scene()

    async def breaks_off() -> None:
        async with Onlooker[str]() as onlooker:
            onlooker.begin(scene.look)
            raise RuntimeError("broken off")

    # Other tasks may run on this loop.
    before = asyncio.all_tasks()
    with pytest.raises(RuntimeError, match="broken off"):
        await breaks_off()
    assert not {task for task in asyncio.all_tasks() - before if not task.done()}
