"""Footprints of the steps of a schedule, for the search and for naming anomalies."""

from __future__ import annotations

from collections.abc import Sequence

import asyncpg

from overbooked.errors import StackError
from overbooked.interleavings.footprints.footprints import Footprint, Footprints, SchemaGraph, read_schema
from overbooked.interleavings.footprints.resources import NOTHING, touching
from overbooked.interleavings.scheduler.actor_state import ExecutedStep
from overbooked.interleavings.search.schedule import Step
from overbooked.wire.gate.boundary import Boundary

_CONNECT_S = 5.0


class Footprinter:
    """Derives footprints of boundaries and of the steps of schedules.

    Args:
        dsn: the URL of the database whose schema is read; None: there is no database.
    """

    def __init__(self, dsn: str | None) -> None:
        self._dsn = dsn
        self._footprints: Footprints | None = None

    async def ready(self) -> None:
        """Read the schema; later calls do nothing.

        Raises:
            StackError: the schema cannot be read.
        """
        if self._footprints is None:
            schema = SchemaGraph() if self._dsn is None else await _schema(self._dsn)
            self._footprints = Footprints(schema)

    def harmless(self, boundary: Boundary) -> bool:
        """Return whether a boundary changes nothing that another session can observe."""
        touched = self._known.of(boundary)
        return not (touched.everything or touched.writes)

    def splits(self, boundary: Boundary) -> bool:
        """Return whether an autocommit statement changes or locks shared data, so that its commit is a
        step."""
        return self._known.splits(boundary)

    def within_a_block(self, boundary: Boundary) -> bool:
        """Return whether the procedures that a boundary calls are known not to commit."""
        return self._known.within_a_block(boundary)

    def of(self, steps: Sequence[ExecutedStep]) -> list[Footprint]:
        """Return the reads and writes of each step in isolation, by tables, keys and hosts."""
        return [NOTHING if step.begins else self._known.of(step.boundary) for step in steps]

    def steps(self, steps: Sequence[ExecutedStep]) -> list[Step]:
        """Convert the executed steps of one schedule for the search.

        Whether an operation precedes another one depends on the order of a response and a beginning, and on
        nothing else: a beginning reads the responses of all other actors.
        """
        run = self._known.run()
        actors = {step.lane for step in steps if step.begins}
        told = []
        for step in steps:
            answers = touching(writes=(_response(n) for n in step.answers & actors))
            if step.begins:
                heard = touching(reads=(_response(n) for n in actors - {step.lane}))
                told.append(Step(step.lane, step.enabled, heard, effects=answers, begins=True))
                continue
            touched = run.let_go(step.boundary)
            told.append(
                Step(
                    step.lane,
                    step.enabled,
                    touched.footprint,
                    holds=touched.holds,
                    effects=run.answered(step.boundary, step.reply) | answers,
                    blocked_until=step.blocked_until,
                    yields=step.yields,
                )
            )
        return told

    @property
    def _known(self) -> Footprints:
        if self._footprints is None:
            raise RuntimeError("footprints were requested before the schema was read: await ready() first")
        return self._footprints


def _response(actor: int) -> str:
    return f"response:{actor}"


async def _schema(dsn: str) -> SchemaGraph:
    try:
        connection = await asyncpg.connect(dsn, timeout=_CONNECT_S)
    except (OSError, asyncpg.PostgresError, TimeoutError) as error:
        raise StackError(
            f"the explorer cannot read the schema, which it needs for footprints: {error!r}", part="postgres"
        ) from error
    try:
        return await read_schema(connection)
    finally:
        await connection.close()
