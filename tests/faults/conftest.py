"""Stacks for the faults of a scenario: one per module, behind our and behind the real Toxiproxy."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack

import pytest
import pytest_asyncio

from overbooked.faults.faults import Faults
from overbooked.verdicts.judge import Judge
from tests.faults.fakestack import LINK, FakeStack, Talker, fake_stack
from tests.faults.realserver import real_server
from tests.faults.servers import ours, real


@pytest.fixture(scope="session", params=["ours", pytest.param("real", marks=pytest.mark.toxiproxy)])
def toxiproxy_url(request: pytest.FixtureRequest) -> Iterator[str]:
    with ExitStack() as stack:
        yield stack.enter_context(ours() if request.param == "ours" else real(real_server()))


@pytest_asyncio.fixture(loop_scope="session")
async def stack(toxiproxy_url: str) -> AsyncIterator[FakeStack]:
    async with fake_stack(toxiproxy_url) as made:
        yield made


@pytest.fixture
def judge() -> Judge:
    return Judge(("SYS-03.a",), "a scenario")


@pytest.fixture
def faults(stack: FakeStack, judge: Judge) -> Faults:
    started = time.monotonic()
    return Faults(stack, judge.receive, lambda: time.monotonic() - started)


@pytest_asyncio.fixture(loop_scope="session")
async def talker(stack: FakeStack) -> AsyncIterator[Talker]:
    """A client with an open connection that has been used once."""
    async with Talker(stack.links[LINK]) as made:
        await made.ask()
        yield made
