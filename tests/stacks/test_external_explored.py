"""A running system whose database connections pass the harness is explored like a started one."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from overbooked.bursts.bursts import Bursts
from overbooked.config import Settings
from overbooked.descriptor import External
from overbooked.errors import ConfigError, NotSupported
from overbooked.interleavings.scheduler.race import Races
from overbooked.journeys.identities import People
from overbooked.oracles.capacity import sold_at_most
from overbooked.plugin.explorer_factory import make_explorer
from overbooked.profiles import load_profile
from overbooked.stacks.base.settings import StackSettings
from overbooked.stacks.external import ExternalStack
from overbooked.system.loading import bind
from overbooked.system.system import System
from overbooked.verdicts.judge import Judge
from overbooked.verdicts.verdict import Verdict
from overbooked.wire.gate.boundary import WireProtocol
from tests.interleavings.test_explorer import lock_then_look, look_then_leap
from tests.stacks.conftest import system as described
from tests.targets.town import Call, Reply, Town, TownHall
from tests.wire.postgres.server import PostgresServer, postgres_server

CLAUSE = "SYS-03.a"
Book = Callable[["asyncpg.Connection[Any]", str], Awaitable[Reply]]


@pytest.fixture(scope="module")
async def database() -> AsyncIterator[PostgresServer]:
    async with postgres_server() as server:
        connection = await asyncpg.connect(server.dsn(), ssl=False)
        await connection.execute("CREATE TABLE seats (slot text PRIMARY KEY, taken int NOT NULL)")
        await connection.execute("CREATE TABLE bookings (slot text NOT NULL, at timestamptz DEFAULT now())")
        await connection.close()
        yield server


@asynccontextmanager
async def running(
    database: PostgresServer, book: Book, settings: StackSettings, *, link: str = "app->postgres"
) -> AsyncIterator[tuple[ExternalStack, System]]:
    """A service that runs already, its database URL at our address; its health looks at its database."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        listen = ("127.0.0.1", int(free.getsockname()[1]))
    pool: list[asyncpg.Pool[Any]] = []

    async def reply(call: Call) -> Reply:
        if not pool:
            pool.append(
                await asyncpg.create_pool(database.dsn(listen), min_size=0, max_size=4, ssl=False, timeout=2)
            )
        async with pool[0].acquire() as connection:
            if call.path == "/health":
                return 200, {"answer": await connection.fetchval("SELECT 1")}
            if not call.path.startswith("/book/"):
                return 200, {}
            return await book(connection, call.path.removeprefix("/book/"))

    async with Town() as town:
        town.reply = reply
        outside = External.model_validate(
            {
                "urls": {"app": town.url},
                "dsns": {"observer": database.dsn()},
                "links": {
                    link: {
                        "listen": f"{listen[0]}:{listen[1]}",
                        "upstream": f"{database.address[0]}:{database.address[1]}",
                    }
                },
            }
        )
        descriptor = described(external=outside.model_dump())
        async with ExternalStack(descriptor, settings) as stack:
            bound = await bind(stack, descriptor, seed=1, identities=People(1), adapter=TownHall())
            try:
                yield stack, bound
            finally:
                await bound.close()
                for one in pool:
                    one.terminate()


async def explored(stack: ExternalStack, system: System, database: PostgresServer) -> Judge:
    judge = Judge([CLAUSE], "external")
    side = await asyncpg.connect(database.dsn(), ssl=False)
    explore = make_explorer(stack, system, judge, load_profile("quick").budget, settings=Settings())

    async def race() -> Races:
        while True:
            slot = replace(await system.open_slot(capacity=1), id=str(uuid4()))
            await side.execute("INSERT INTO seats VALUES ($1, 0)", slot.id)
            ran = yield [who.books(slot) for who in await system.customers(2)]
            with judge(CLAUSE):
                sold_at_most(1, ran.answers)

    try:
        await explore.explore(race)
        bursts = Bursts(system, judge)
        slot = replace(await system.open_slot(capacity=1), id=str(uuid4()))
        await side.execute("INSERT INTO seats VALUES ($1, 0)", slot.id)
        answers = await bursts.burst([who.books(slot) for who in await system.customers(3)])
        await bursts.close()
        assert any(answer.ok for answer in answers)
    finally:
        await explore.close()
        await side.close()
    return judge


@pytest.mark.parametrize("link", ["app->postgres", "app->ledger"])
async def test_an_external_system_is_explored_and_found_open(
    database: PostgresServer, settings: StackSettings, link: str
) -> None:
    async with running(database, look_then_leap, settings, link=link) as (stack, system):
        assert stack.links[link].protocol is WireProtocol.POSTGRES
        judge = await explored(stack, system, database)
        (result,) = judge.conclude(None)
    assert result.verdict is Verdict.OPEN
    assert result.finding is not None
    assert result.finding.details["schedule"]


async def test_an_external_system_that_locks_is_closed(
    database: PostgresServer, settings: StackSettings
) -> None:
    async with running(database, lock_then_look, settings) as (stack, system):
        (result,) = (await explored(stack, system, database)).conclude(None)
    assert result.verdict is Verdict.CLOSED
    assert result.counts["schedules"] > 1


@pytest.mark.parametrize(
    ("name", "link", "spoken"),
    [
        ("app->store", {"upstream": "127.0.0.1:1", "protocol": "postgres"}, WireProtocol.POSTGRES),
        ("app->store", {"upstream": "127.0.0.1:5432"}, WireProtocol.POSTGRES),
        ("app->cache", {"upstream": "127.0.0.1:6379"}, WireProtocol.REDIS),
        ("app->redis", {"upstream": "127.0.0.1:1"}, WireProtocol.REDIS),
        ("app->store", {"upstream": "127.0.0.1:7777"}, WireProtocol.POSTGRES),  # as a DSN has it
        ("app->payments", {"upstream": "127.0.0.1:5432"}, WireProtocol.HTTP),
        ("app->postgres", {"upstream": "127.0.0.1:5432", "protocol": "raw"}, WireProtocol.RAW),
    ],
)
def test_what_is_spoken_on_a_link_is_declared_or_derived(
    settings: StackSettings, name: str, link: dict[str, str], spoken: WireProtocol
) -> None:
    outside = {
        "urls": {"app": "http://127.0.0.1:1"},
        "dsns": {"observer": "postgresql://x@127.0.0.1:7777/x"},
        "links": {name: link},
    }
    stack = ExternalStack(described(external=outside), settings)
    assert stack._plan(name, stack._upstreams()[name]).protocol is spoken


def test_a_link_of_which_nothing_says_what_is_spoken_is_refused(settings: StackSettings) -> None:
    outside = {"urls": {"app": "http://127.0.0.1:1"}, "links": {"app->mars": {"upstream": "127.0.0.1:9"}}}
    stack = ExternalStack(described(external=outside), settings)
    with pytest.raises(ConfigError, match=r"'app->mars': its protocol is unknown; add protocol"):
        stack._plan("app->mars", ("127.0.0.1", 9))


async def test_an_external_system_without_a_database_link_is_not_explored(settings: StackSettings) -> None:
    async with Town() as town:
        descriptor = described(external={"urls": {"app": town.url}})
        async with ExternalStack(descriptor, settings) as stack:
            system = await bind(stack, descriptor, seed=1, identities=People(1), adapter=TownHall())
            with pytest.raises(NotSupported, match=r"\[external.links\] 'app->postgres'"):
                make_explorer(
                    stack, system, Judge([CLAUSE], "x"), load_profile("quick").budget, settings=Settings()
                )
            await system.close()
