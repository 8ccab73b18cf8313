"""What the steps of a schedule touch, for the search and for naming what went wrong."""

from __future__ import annotations

from collections.abc import Sequence

import asyncpg

from overbooked.errors import StackError
from overbooked.interleavings.footprints.footprints import Footprint, Footprints, SchemaGraph, read_schema
from overbooked.interleavings.scheduler.actor_state import Stepping
from overbooked.interleavings.search.schedule import Step
from overbooked.wire.gate.boundary import Boundary

_CONNECT_S = 5.0


class Footprinting:
    """Footprints of boundaries and of the steps of whole schedules.

    Args:
        dsn: a database URL to read the schema from; None: there is no database.
    """

    def __init__(self, dsn: str | None) -> None:
        self._dsn = dsn
        self._footprints: Footprints | None = None

    async def ready(self) -> None:
        """Read the schema, once.

        Raises:
            StackError: the database does not say what it is made of.
        """
        if self._footprints is None:
            schema = SchemaGraph() if self._dsn is None else await _schema(self._dsn)
            self._footprints = Footprints(schema)

    def harmless(self, boundary: Boundary) -> bool:
        """Whether a boundary changes nothing that anybody could see."""
        touched = self._known.of(boundary)
        return not (touched.everything or touched.writes)

    def splits(self, boundary: Boundary) -> bool:
        """Whether an autocommit statement changes or locks what others see, so that its commit counts."""
        return self._known.splits(boundary)

    def within_a_block(self, boundary: Boundary) -> bool:
        """Whether the procedures that a boundary calls are known to commit nothing."""
        return self._known.within_a_block(boundary)

    def of(self, steps: Sequence[Stepping]) -> list[Footprint]:
        """What each step by itself reads and writes, by tables, keys and hosts."""
        return [self._known.of(step.boundary) for step in steps]

    def steps(self, steps: Sequence[Stepping]) -> list[Step]:
        """The steps of one schedule as the search is told of them."""
        run = self._known.run()
        told = []
        for step in steps:
            touched = run.let_go(step.boundary)
            told.append(
                Step(
                    step.lane,
                    step.enabled,
                    touched.footprint,
                    holds=touched.holds,
                    effects=run.answered(step.boundary, step.reply),
                    blocked_until=step.blocked_until,
                    yields=step.yields,
                )
            )
        return told

    @property
    def _known(self) -> Footprints:
        if self._footprints is None:
            raise RuntimeError("footprints are asked for before the schema was read: await ready() first")
        return self._footprints


async def _schema(dsn: str) -> SchemaGraph:
    try:
        connection = await asyncpg.connect(dsn, timeout=_CONNECT_S)
    except (OSError, asyncpg.PostgresError, TimeoutError) as error:
        raise StackError(
            f"the explorer cannot read the schema, so not what statements touch: {error!r}", part="postgres"
        ) from error
    try:
        return await read_schema(connection)
    finally:
        await connection.close()
