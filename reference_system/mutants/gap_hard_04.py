"""HARD-04, repeats: a mistake by which one request gets two answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from uuid import UUID

from starlette.responses import Response

from reference_system.booking import idempotency
from reference_system.booking.db import Database, UnitOfWork
from reference_system.booking.idempotency import Answer
from reference_system.booking.problems import Problem
from reference_system.mutants.mutant import Mutant, Replace

_once = idempotency.once


async def _refused_as_it_was(
    database: Database,
    *,
    customer_id: UUID,
    key: str,
    fingerprint: str,
    now: datetime,
    work: Callable[[UnitOfWork], Awaitable[Answer]],
) -> Response:
    refusals: list[Problem] = []

    async def noting(uow: UnitOfWork) -> Answer:
        try:
            return await work(uow)
        except Problem as problem:
            refusals.append(problem)
            raise

    recorded = await _once(
        database, customer_id=customer_id, key=key, fingerprint=fingerprint, now=now, work=noting
    )
    return refusals[0].response() if refusals else recorded


MUTANTS = (
    Mutant(
        id="HARD-04.1",
        harm="Who is refused as his repeat gets the place that came free is told no, and has a booking.",
        substitutions=(Replace("reference_system.booking.idempotency:once", _refused_as_it_was),),
    ),
)
