"""`POST /slots/{slot_id}/waitlist`."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter
from reference_system.booking.waitlist import store

from reference_system.booking.accounts import authentication
from reference_system.booking.accounts.authentication import HasCaller
from reference_system.booking.platform.db import UnitOfWork
from reference_system.booking.platform.problems import Kind, Problem, responses
from reference_system.booking.platform.runtime import HasNow, HasRuntime

router = APIRouter(prefix="/slots", tags=["waitlist"])

ALREADY_WAITING = Kind("already-waiting", 409, "The customer waits for this slot already")


@router.post(
    "/{slot_id}/waitlist", status_code=201, responses=responses(*authentication.KINDS, ALREADY_WAITING)
)
async def join(slot_id: UUID, caller: HasCaller, runtime: HasRuntime, now: HasNow) -> dict[str, str]:
    """Wait for a place."""

    async def work(uow: UnitOfWork) -> bool:
        return await store.join(uow, slot_id=slot_id, customer_id=caller.customer_id, now=now)

    if not await runtime.database.run(work):
        raise Problem(ALREADY_WAITING)
    return {"slot_id": str(slot_id)}
