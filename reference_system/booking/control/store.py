"""The shared clock's offset in the database."""

from __future__ import annotations

from reference_system.booking.platform.db import UnitOfWork

MOVE_CLOCK = "UPDATE clock SET offset_s = :offset_s"


async def move_clock(uow: UnitOfWork, offset_s: float) -> None:
    await uow.execute(MOVE_CLOCK, offset_s=offset_s)
