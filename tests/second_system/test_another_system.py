"""The adapter contract suits another service: a theatre is attached by a descriptor and an adapter."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from overbooked.bursts.bursts import Bursts
from overbooked.capabilities.booking import BOOKING
from overbooked.capabilities.checkout import CHECKOUT
from overbooked.capabilities.webhooks import WEBHOOKS
from overbooked.descriptor import External, load
from overbooked.errors import NotSupported
from overbooked.interleavings.scheduler.race import Races
from overbooked.journeys.identities import People
from overbooked.oracles.answers import others_refused
from overbooked.oracles.capacity import sold_at_most
from overbooked.oracles.linearizability import linearizable
from overbooked.stacks.base.protocol import Stack
from overbooked.stacks.base.settings import StackSettings
from overbooked.stacks.embedded.stack import EmbeddedStack
from overbooked.stacks.external import ExternalStack
from overbooked.system.loading import bind
from overbooked.system.system import System
from overbooked.verdicts.judge import Judge
from overbooked.verdicts.verdict import Verdict

DESCRIPTOR = load(Path(__file__).with_name("theatre.toml"))
CLAUSE = "SYS-03.c"


@asynccontextmanager
async def embedded(build: str | None = None) -> AsyncIterator[Stack]:
    async with EmbeddedStack(DESCRIPTOR, StackSettings.model_validate({}), mutant=build) as stack:
        yield stack


@asynccontextmanager
async def at_home(stack: Stack) -> AsyncIterator[System]:
    system = await bind(stack, DESCRIPTOR, seed=11, identities=People(11))
    try:
        yield system
    finally:
        await system.close()


async def last_seat(system: System, judge: Judge, *, rounds: int) -> None:
    """A scenario as in `scenarios/`: the last seat of a show is sold once."""
    bursts = Bursts(system, judge, warm_path=DESCRIPTOR.app.health)
    people = await system.customers(8)

    async def race() -> Races:
        while True:
            slot = await system.open_slot(capacity=1)
            ran = yield [one.books(slot) for one in people]
            with judge(CLAUSE):
                sold_at_most(1, ran.answers)
                others_refused(ran.answers)
                linearizable(ran.history, [slot])

    try:
        await bursts.play(race, rounds=rounds, detects=0.5)
    finally:
        await bursts.close()


async def verdict_on(build: str | None, *, rounds: int) -> Verdict:
    judge = Judge([CLAUSE], "last seat")
    async with embedded(build) as stack, at_home(stack) as system:
        await last_seat(system, judge, rounds=rounds)
    return judge.conclude(None)[0].verdict


async def test_a_seat_is_reserved_and_given_back() -> None:
    async with embedded() as stack, at_home(stack) as system:
        show = await system.open_slot(capacity=2)
        (guest,) = await system.customers(1)
        booking = await system.make_booking(guest, show)
        assert await system.booking.places(show) == (2, 1)
        assert (await system.do(guest.cancels(booking))).ok
        assert (await system.do(guest.cancels(booking))).status == 409
        assert await system.booking.places(show) == (2, 0)


async def test_the_race_is_open_on_the_naive_build() -> None:
    # A burst finds it in half of the rounds on an idle machine, in a twelfth on a busy one (load 15).
    assert await verdict_on("naive", rounds=600) is Verdict.OPEN


async def test_the_race_is_closed_on_the_locked_build() -> None:
    assert await verdict_on("locked", rounds=10) is Verdict.CLOSED


async def test_what_it_cannot_do_is_not_supported() -> None:
    async with embedded() as stack, at_home(stack) as system:
        with pytest.raises(NotSupported, match="durable state"):
            await system.state()
        with pytest.raises(NotSupported, match="'checkout', 'webhooks'"):
            system.needs(BOOKING, CHECKOUT, WEBHOOKS)


async def test_a_theatre_that_runs_already_is_judged_by_its_url(tmp_path: Path) -> None:
    async with running_theatre(tmp_path) as url:
        settings = StackSettings.model_validate({"external": External(urls={"app": url})})
        async with ExternalStack(DESCRIPTOR, settings) as stack, at_home(stack) as system:
            judge = Judge([CLAUSE], "last seat")
            await last_seat(system, judge, rounds=3)
            assert judge.conclude(None)[0].verdict is Verdict.CLOSED
            assert stack.links["client->app"].traffic().connections > 0


@asynccontextmanager
async def running_theatre(folder: Path) -> AsyncIterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(Path(__file__).with_name("theatre.py")),
        "--port",
        str(port),
        "--file",
        str(folder / "theatre.sqlite3"),
    )
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        await process.wait()
