"""Explores one isolation anomaly at one level, through the gate."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import asyncpg

from overbooked.errors import GapFound
from overbooked.interleavings.explorer import Explorer
from overbooked.interleavings.footprinter import Footprinter
from overbooked.interleavings.results import ExplorationResult
from overbooked.interleavings.scheduler.actors import Actor
from overbooked.interleavings.scheduler.race import Races
from overbooked.interleavings.scheduler.runner import ScheduleRunner
from overbooked.profiles import load_profile
from overbooked.system.system import System
from overbooked.targets.adapter import Answer, Outcome
from overbooked.verdicts.judge import Judge
from overbooked.wire.gate.boundary import WireProtocol
from overbooked.wire.relay import Relays
from tests.overlap.ground import CLAUSE, prepared
from tests.overlap.isolation import RESET, TABLE, Case, RollsBack, Seen
from tests.targets.town import Town, at
from tests.wire.postgres.server import PostgresServer

ACTORS = 3


@dataclass(frozen=True)
class Cell:
    """The result of an exploration: whether the anomaly occurs, its class, the number of runs."""

    occurs: bool
    phenomenon: str
    anomaly: str
    explored: ExplorationResult

    @property
    def exhausted(self) -> bool:
        return self.explored.exhausted


class Laboratory:
    """A database with two rows, and a connection through the gate for each transaction."""

    def __init__(
        self,
        system: System,
        stage: ScheduleRunner,
        footprinting: Footprinter,
        side: asyncpg.Connection[Any],
        connections: list[asyncpg.Connection[Any]],
    ) -> None:
        self._system, self._stage, self._footprinting = system, stage, footprinting
        self._side, self._connections = side, connections

    async def explore(self, case: Case, level: str, *, seed: int = 0, reduce: bool = True) -> Cell:
        """Explore every order of the case's statements with at most two preemptions.

        Args:
            reduce: skip equivalent orders.
        """
        judge = Judge((CLAUSE,), case.name)
        budget = load_profile("quick").budget
        explore = Explorer(self._system, judge, budget, self._stage, self._footprinting, seed=seed)
        explored = await explore.explore(
            self._race,
            case,
            level,
            name=f"{case.name}, {level}",
            preemptions=2,
            reduce=reduce and case.reduce,
        )
        (result,) = judge.conclude(None)
        details = result.finding.details if result.finding else {}
        return Cell(
            explored.violation is not None,
            str(details.get("phenomenon", "")),
            str(details.get("anomaly", "")),
            explored,
        )

    async def _race(self, case: Case, level: str) -> Races:
        async def transact(number: int, _: int) -> Answer:
            connection = self._connections[number]
            try:
                async with connection.transaction(isolation=level.replace(" ", "_")):
                    await case.programs[number](connection, seen[number])
                seen[number].committed = True
            except RollsBack:
                return Answer(Outcome.REFUSED, None, problem="rolled back")
            except asyncpg.PostgresError as error:
                return Answer(Outcome.REFUSED, None, problem=str(error.sqlstate))
            return Answer(Outcome.OK, None)

        actors = [Actor(f"T{n + 1}", "transact", partial(transact, n)) for n in range(len(case.programs))]

        while True:
            await self._side.execute(RESET)
            seen = [Seen() for _ in case.programs]
            yield actors
            rows = {row["id"]: row["value"] for row in await self._side.fetch("SELECT * FROM item")}
            with Judge((CLAUSE,), case.name)(CLAUSE):
                if case.occurred(seen, rows):
                    raise GapFound(
                        f"{case.name} occurs", expected="a serial outcome", observed=f"{seen}, {rows}"
                    )


@asynccontextmanager
async def laboratory(server: PostgresServer) -> AsyncIterator[Laboratory]:
    """Open one on a server."""
    database = await prepared(server, "isolation", TABLE)
    relays = Relays()
    async with Town() as town, at(town) as system:
        link = relays.open("app->postgres", upstream=database.address, protocol=WireProtocol.POSTGRES)
        side = await asyncpg.connect(database.dsn(), ssl=False)
        connections = [await asyncpg.connect(database.dsn(link.address), ssl=False) for _ in range(ACTORS)]
        footprinting = Footprinter(database.dsn())
        stage = ScheduleRunner(
            system,
            {link.name: link},
            database.dsn(),
            harmless=footprinting.harmless,
            splits=footprinting.splits,
            within_a_block=footprinting.within_a_block,
        )
        try:
            yield Laboratory(system, stage, footprinting, side, connections)
        finally:
            await stage.close()
            for connection in [*connections, side]:
                connection.terminate()
            relays.close()
