"""The job that expires holds."""

from __future__ import annotations

from reference_system.booking.holds import service
from reference_system.booking.platform import jobs
from reference_system.booking.platform.db import UnitOfWork
from reference_system.booking.platform.jobs import Report
from reference_system.booking.platform.runtime import Runtime

BATCH = 100


@jobs.register("expire_holds", every_s=5)
async def expire_holds(runtime: Runtime) -> Report:
    """Expire every open checkout whose hold has expired, in small transactions."""
    now = await runtime.clock.now()
    total = 0
    while True:

        async def work(uow: UnitOfWork) -> int:
            return await service.expire(uow, now=now, limit=BATCH)

        expired = await runtime.database.run(work)
        total += expired
        if expired < BATCH:
            return {"expired": total}
