"""A small service on real PostgreSQL behind the gate, with its explorer."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

import asyncpg

from overbooked.errors import GapFound
from overbooked.interleavings.explorer import Explorer
from overbooked.interleavings.footprinter import Footprinter
from overbooked.interleavings.scheduler.race import RaceResult, Races
from overbooked.interleavings.scheduler.runner import ScheduleRunner
from overbooked.oracles.answers import others_refused
from overbooked.oracles.capacity import sold_at_most
from overbooked.profiles import load_profile
from overbooked.system.system import System
from overbooked.targets.adapter import Slot
from overbooked.verdicts.judge import Judge
from overbooked.verdicts.verdict import Verdict
from overbooked.wire.gate.boundary import WireProtocol
from overbooked.wire.relay import Relays
from tests.overlap.defects import TABLES, Variant
from tests.overlap.drivers import REFUSED
from tests.targets.town import Call, Reply, Town, at
from tests.wire.postgres.server import PostgresServer

CLAUSE = "SYS-03.a"


@dataclass
class Ground:
    """A running service and its explorer."""

    system: System
    stage: ScheduleRunner
    footprinting: Footprinter
    side: asyncpg.Connection[Any]
    variant: Variant

    async def race(self) -> Races:
        """Two customers book the last place of a fresh slot."""
        while True:
            slot = replace(await self.system.open_slot(capacity=1), id=str(uuid4()))
            await self.side.execute("INSERT INTO slots VALUES ($1, 1)", slot.id)
            people = await self.system.customers(2)
            ran = yield [who.books(slot) for who in people]
            with Judge((CLAUSE,), "single statement")(CLAUSE):
                await self.one_wins(ran, slot)

    async def one_wins(self, ran: RaceResult, slot: Slot) -> None:
        sold_at_most(1, ran.answers)
        others_refused(ran.answers, 409)
        if not self.variant.counts_rows:
            return
        rows = await self.side.fetchval("SELECT count(*) FROM bookings WHERE slot = $1", slot.id)
        if rows != sum(answer.ok for answer in ran.answers):
            raise GapFound("bookings and answers differ", expected="one row each", observed=f"{rows} rows")

    def explore(self, seed: int = 0) -> tuple[Explorer, Judge]:
        """Return a new explorer with its judge."""
        judge = Judge((CLAUSE,), "single statement")
        budget = load_profile("quick").budget
        return Explorer(self.system, judge, budget, self.stage, self.footprinting, seed=seed), judge


def verdict_of(judge: Judge) -> Verdict:
    """Return the verdict on the clause."""
    (result,) = judge.conclude(None)
    return result.verdict


async def prepared(server: PostgresServer, name: str, schema: str) -> PostgresServer:
    """Return a server with its own database, created once."""
    name = re.sub(r"\W+", "_", name.lower())
    admin = await asyncpg.connect(server.dsn(), ssl=False)
    try:
        if not await admin.fetchval("SELECT count(*) FROM pg_database WHERE datname = $1", name):
            await admin.execute(f'CREATE DATABASE "{name}"')
            own = await asyncpg.connect(replace(server, database=name).dsn(), ssl=False)
            await own.execute(schema)
            await own.close()
    finally:
        await admin.close()
    return replace(server, database=name)


@asynccontextmanager
async def ground(server: PostgresServer, name: str, variant: Variant, driver: Any) -> AsyncIterator[Ground]:
    """The service of a variant.

    Args:
        name: the name of its database.
        driver: its PostgreSQL client.
    """
    database = await prepared(server, name, TABLES + variant.schema)
    relays = Relays()
    async with Town() as town, at(town) as system:
        link = relays.open("app->postgres", upstream=database.address, protocol=WireProtocol.POSTGRES)
        await driver.open(database.dsn(link.address), 4)
        side = await asyncpg.connect(database.dsn(), ssl=False)

        async def reply(call: Call) -> Reply:
            if not call.path.startswith("/book/"):
                return 200, {}
            try:
                booked = await driver.book(variant, call.path.removeprefix("/book/"), str(uuid4()))
            except REFUSED:
                booked = False
            return (201, {"id": "b"}) if booked else (409, {"type": "full"})

        town.reply = reply
        footprinting = Footprinter(database.dsn())
        stage = ScheduleRunner(
            system,
            {link.name: link},
            database.dsn(),
            harmless=footprinting.harmless,
            splits=footprinting.splits,
            within_a_block=footprinting.within_a_block,
            begins_apart=True,
        )
        try:
            yield Ground(system, stage, footprinting, side, variant)
        finally:
            await stage.close()
            driver.close()
            await side.close()
            relays.close()
