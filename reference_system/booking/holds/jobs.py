"""The job that ends holds nobody came back for."""

from __future__ import annotations

from reference_system.booking import jobs
from reference_system.booking.db import UnitOfWork
from reference_system.booking.holds import service
from reference_system.booking.jobs import Report
from reference_system.booking.runtime import Runtime

BATCH = 100


@jobs.register("expire_holds", every_s=5)
async def expire_holds(runtime: Runtime) -> Report:
    """Expire every open checkout whose hold is over, in small transactions."""
    now = await runtime.clock.now()
    total = 0
    while True:

        async def work(uow: UnitOfWork) -> int:
            return await service.expire(uow, now=now, limit=BATCH)

        expired = await runtime.database.run(work)
        total += expired
        if expired < BATCH:
            return {"expired": total}
