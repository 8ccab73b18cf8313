"""HARD-04, repeats: one request gets two answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from uuid import UUID

from starlette.responses import Response

from reference_system.booking.platform import idempotency
from reference_system.booking.platform.db import Database, UnitOfWork
from reference_system.booking.platform.idempotency import Answer
from reference_system.booking.platform.problems import Problem
from reference_system.mutants.mutant import Mutant

unrecorded_refusal = Mutant(
    "HARD-04.1",
    "A request that is refused while its repeat gets the freed place answers no, yet the booking exists.",
)


@unrecorded_refusal.wrap(idempotency.once)
async def refused_as_it_was(
    once: Callable[..., Awaitable[Response]],
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

    recorded = await once(
        database, customer_id=customer_id, key=key, fingerprint=fingerprint, now=now, work=noting
    )
    return refusals[0].response() if refusals else recorded
