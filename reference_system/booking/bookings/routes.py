"""`/bookings`."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Header, Query, Request, Response
from pydantic import BaseModel, ConfigDict
from sqlalchemy import Row

from reference_system.booking.accounts import authentication
from reference_system.booking.accounts.authentication import HasCaller
from reference_system.booking.bookings import service, store
from reference_system.booking.platform import idempotency
from reference_system.booking.platform.db import UnitOfWork
from reference_system.booking.platform.idempotency import Answer
from reference_system.booking.platform.problems import INVALID_REQUEST, NOT_FOUND, responses
from reference_system.booking.platform.runtime import HasNow, HasRuntime
from reference_system.booking.venues import places

router = APIRouter(prefix="/bookings", tags=["bookings"])


class NewBooking(BaseModel):
    model_config = ConfigDict(extra="forbid")

    slot_id: UUID


class Move(BaseModel):
    model_config = ConfigDict(extra="forbid")

    slot_id: UUID


class Booking(BaseModel):
    """`checkout_id` is set when the booking was paid for through checkout."""

    id: UUID
    slot_id: UUID
    customer_id: UUID
    checkout_id: UUID | None
    status: Literal["confirmed", "cancelled"]
    created_at: datetime
    cancelled_at: datetime | None
    version: int


@router.post(
    "",
    status_code=201,
    response_model=Booking,
    responses=responses(
        *authentication.KINDS,
        NOT_FOUND,
        places.SOLD_OUT,
        places.SLOT_STARTED,
        idempotency.IN_PROGRESS,
        INVALID_REQUEST,
        idempotency.KEY_REUSED,
        idempotency.KEY_INVALID,
    ),
)
async def book(
    *,
    new: NewBooking,
    request: Request,
    caller: HasCaller,
    runtime: HasRuntime,
    now: HasNow,
    idempotency_key: Annotated[str | None, Header(alias=idempotency.HEADER)] = None,
) -> Response:
    """Book a place that is paid for at the venue. With a key, a repeat gets the first answer."""
    key = idempotency.checked(idempotency_key, required=False)

    async def work(uow: UnitOfWork) -> Answer:
        row = await service.book(uow, slot_id=new.slot_id, customer_id=caller.customer_id, now=now)
        return Answer(201, _booking(row).model_dump_json())

    if key is None:
        return (await runtime.database.run(work)).response()
    return await idempotency.once(
        runtime.database,
        customer_id=caller.customer_id,
        key=key,
        fingerprint=idempotency.fingerprint(request.method, request.url.path, await request.body()),
        now=now,
        work=work,
    )


@router.get("", responses=responses(*authentication.KINDS))
async def my_bookings(
    caller: HasCaller, runtime: HasRuntime, limit: Annotated[int, Query(ge=1, le=500)] = 100
) -> list[Booking]:
    """The caller's bookings, newest first."""
    rows = await store.bookings_of_customer(runtime.database, customer_id=caller.customer_id, limit=limit)
    return [_booking(row) for row in rows]


@router.get("/{booking_id}", responses=responses(*authentication.KINDS, NOT_FOUND))
async def read_booking(booking_id: UUID, caller: HasCaller, runtime: HasRuntime) -> Booking:
    """One booking of the caller."""
    return _booking(await service.read(runtime.database, booking_id=booking_id, by=caller))


@router.post(
    "/{booking_id}/cancel",
    responses=responses(*authentication.KINDS, NOT_FOUND, service.ALREADY_CANCELLED),
)
async def cancel(booking_id: UUID, caller: HasCaller, runtime: HasRuntime, now: HasNow) -> Booking:
    """Cancel a booking and free its place; what was paid for it is refunded."""

    async def work(uow: UnitOfWork) -> Row[Any]:
        return await service.cancel(uow, booking_id=booking_id, by=caller, now=now)

    return _booking(await runtime.database.run(work))


@router.post(
    "/{booking_id}/reschedule",
    responses=responses(
        *authentication.KINDS,
        NOT_FOUND,
        service.ALREADY_CANCELLED,
        service.SAME_SLOT,
        places.SLOT_STARTED,
        places.SOLD_OUT,
    ),
)
async def reschedule(
    booking_id: UUID, to: Move, caller: HasCaller, runtime: HasRuntime, now: HasNow
) -> Booking:
    """Move a booking to another slot, all or nothing."""

    async def work(uow: UnitOfWork) -> Row[Any]:
        return await service.reschedule(uow, booking_id=booking_id, slot_id=to.slot_id, by=caller, now=now)

    return _booking(await runtime.database.run(work))


def _booking(row: Row[Any]) -> Booking:
    return Booking.model_validate(row, from_attributes=True)
