"""Runs schedules of SQL on a real server, without gate or service: one connection per actor."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import asyncpg

from overbooked.interleavings.footprints.footprints import Footprints
from overbooked.interleavings.footprints.resources import NOTHING
from overbooked.interleavings.footprints.sql import Kind, statement
from overbooked.interleavings.search.schedule import Step, usual
from overbooked.wire.gate.boundary import Boundary, Reply, WireProtocol

# An actor's statements; those after an error, up to the end of the transaction, are skipped.
Script = Sequence[str]
_LOOK_S = 0.001
_DEADLINE_S = 10.0


@dataclass
class _Actor:
    connection: asyncpg.Connection[Any]
    left: list[str]
    seen: list[object] = field(default_factory=list)
    flying: asyncio.Task[None] | None = None
    step: int = 0
    error: str = ""


class Ground:
    """A database with actors' connections; reset before each schedule by a script.

    Args:
        dsn: of a superuser.
        reset: SQL that resets the tables.
        look: SELECTs whose results are the final state.
    """

    def __init__(self, dsn: str, reset: str, look: Sequence[str], footprints: Footprints) -> None:
        self._dsn, self._reset, self._look, self._footprints = dsn, reset, look, footprints
        self._connections: list[asyncpg.Connection[Any]] = []

    async def open(self, actors: int) -> None:
        """Open a connection for each actor, and one to observe."""
        while len(self._connections) <= actors:
            self._connections.append(await asyncpg.connect(self._dsn, ssl=False, statement_cache_size=0))

    async def close(self) -> None:
        for connection in self._connections:
            connection.terminate()

    async def play(self, scripts: Sequence[Script], prefix: Sequence[int]) -> tuple[list[Step], object]:
        """Run one schedule; returns its steps and everything observable at the end."""
        side, *others = self._connections
        await side.execute(self._reset)
        actors = [_Actor(c, list(script)) for c, script in zip(others, scripts, strict=False)]
        run = self._footprints.run()
        steps: list[Step] = []
        running: int | None = None
        while enabled := tuple(n for n, one in enumerate(actors) if one.left and one.flying is None):
            wanted = prefix[len(steps)] if len(steps) < len(prefix) else None
            running = wanted if wanted in enabled else usual(enabled, running)
            assert running is not None
            actor = actors[running]
            text = actor.left.pop(0)
            boundary = self._boundary(actor, running, text)
            told = run.let_go(boundary)
            steps.append(Step(running, enabled, told.footprint, told.holds))
            actor.step, actor.error = len(steps) - 1, ""
            actor.flying = asyncio.create_task(self._send(actor, text))
            await self._until_still(actors, side)
            for one in actors:
                if one.flying is None or not one.flying.done():
                    continue
                one.flying = None
                self._answered(one, run, steps)
        finals = [[tuple(row) for row in await side.fetch(query)] for query in self._look]
        return steps, repr((finals, [one.seen for one in actors]))

    def _boundary(self, actor: _Actor, number: int, text: str) -> Boundary:
        verb, inside = text.partition(" ")[0], actor.connection.is_in_transaction()
        kinds = WireProtocol.POSTGRES
        return Boundary("app->postgres", kinds, number + 1, 1, verb, text, text, in_transaction=inside)

    async def _send(self, actor: _Actor, text: str) -> None:
        try:
            rows = await actor.connection.fetch(text)
            actor.seen.append([tuple(row) for row in rows])
        except asyncpg.PostgresError as error:
            actor.error = str(error.sqlstate)
            actor.seen.append(actor.error)

    async def _until_still(self, actors: Sequence[_Actor], side: asyncpg.Connection[Any]) -> None:
        """Wait until every active statement is answered or waits for a lock, in two successive checks."""
        give_up = time.monotonic() + _DEADLINE_S
        calm = 0
        while calm < 2:
            assert time.monotonic() < give_up, "a statement neither ends nor waits for a lock"
            flying = [one for one in actors if one.flying is not None and not one.flying.done()]
            if not flying:
                return
            await asyncio.wait([one.flying for one in flying if one.flying], timeout=_LOOK_S)
            pids = [one.connection.get_server_pid() for one in flying]
            rows = await side.fetch("SELECT pid, pg_blocking_pids(pid) FROM unnest($1::int[]) AS pid", pids)
            waits = {pid: set(blockers) for pid, blockers in rows}
            same = all(one.flying is not None and not one.flying.done() for one in flying)
            calm = calm + 1 if all(waits.values()) and same and not _circle(waits) else 0

    def _answered(self, actor: _Actor, run: Any, steps: list[Step]) -> None:
        step = steps[actor.step]
        inside = actor.connection.is_in_transaction()
        number = step.actor + 1
        boundary = Boundary("app->postgres", WireProtocol.POSTGRES, number, 1, "", "", "")
        effects = run.answered(boundary, Reply("", actor.error, in_transaction=inside))
        waited = actor.step < len(steps) - 1
        steps[actor.step] = replace(
            step, effects=effects or NOTHING, blocked_until=len(steps) if waited else None
        )
        if actor.error and inside:
            while actor.left and statement(actor.left[0]).kind not in {Kind.COMMIT, Kind.ROLLBACK}:
                actor.left.pop(0)


def _circle(waits: Mapping[int, set[int]]) -> bool:
    """Whether there is a deadlock, which the server is about to resolve."""
    left = dict(waits)
    while free := [pid for pid, blockers in left.items() if not blockers & left.keys()]:
        for pid in free:
            del left[pid]
    return bool(left)
