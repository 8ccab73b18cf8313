"""`/venues`, `/services` and `/slots`."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, model_validator
from sqlalchemy import Row

from reference_system.booking.accounts import authentication
from reference_system.booking.accounts.authentication import HasOperator
from reference_system.booking.platform.db import UnitOfWork
from reference_system.booking.platform.problems import FORBIDDEN, NOT_FOUND, Problem, responses
from reference_system.booking.platform.runtime import HasNow, HasRuntime
from reference_system.booking.pricing import money, price
from reference_system.booking.pricing.price import Rounding
from reference_system.booking.venues import service, store

router = APIRouter(tags=["venues"])


def _timezone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (OSError, ValueError, KeyError) as error:
        raise ValueError("there is no such time zone") from error
    return name


def _currency(code: str) -> str:
    if not money.is_currency(code):
        raise ValueError("there is no such currency")
    return code


Name = Annotated[str, Field(min_length=1, max_length=200)]
PriceMinor = Annotated[int, Field(ge=0, le=10**15)]
Capacity = Annotated[int, Field(ge=0, le=1_000_000)]


class Created(BaseModel):
    id: UUID


class NewVenue(BaseModel):
    """`rounding` says how prices moved by a rule become whole minor units."""

    model_config = ConfigDict(extra="forbid")

    name: Name
    timezone: Annotated[str, AfterValidator(_timezone)]
    currency: Annotated[str, AfterValidator(_currency)]
    rounding: Rounding = "half_up"


class NewService(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: Name
    base_price_minor: PriceMinor


class NewPrice(BaseModel):
    model_config = ConfigDict(extra="forbid")

    base_price_minor: PriceMinor


class NewSlot(BaseModel):
    """`resource_no` is the room or chair that the slot uses; slots of one resource never overlap."""

    model_config = ConfigDict(extra="forbid")

    service_id: UUID
    resource_no: Annotated[int, Field(ge=0, le=2**62)]
    starts_at: AwareDatetime
    ends_at: AwareDatetime
    capacity: Capacity
    price_minor: PriceMinor | None = None

    @model_validator(mode="after")
    def _in_order(self) -> NewSlot:
        if self.ends_at <= self.starts_at:
            raise ValueError("a slot ends after it starts")
        return self


class SlotChange(BaseModel):
    """Fields that are left out stay; `price_minor` null returns the slot to its service's price."""

    model_config = ConfigDict(extra="forbid")

    capacity: Capacity | None = None
    price_minor: PriceMinor | None = None


class Slot(BaseModel):
    """`price_minor` is what a quote would lock now; `own_price_minor` is set where the slot has one."""

    id: UUID
    service_id: UUID
    resource_no: int
    starts_at: datetime
    ends_at: datetime
    capacity: int
    taken: int
    price_minor: int
    own_price_minor: int | None
    currency: str
    version: int


_OPERATOR = (*authentication.KINDS, FORBIDDEN)


@router.post("/venues", status_code=201, responses=responses(*_OPERATOR))
async def add_venue(new: NewVenue, operator: HasOperator, runtime: HasRuntime, now: HasNow) -> Created:
    """Open a venue."""

    async def work(uow: UnitOfWork) -> UUID:
        return await service.add_venue(uow, **new.model_dump(), actor=operator.customer_id, now=now)

    return Created(id=await runtime.database.run(work))


@router.post("/venues/{venue_id}/services", status_code=201, responses=responses(*_OPERATOR, NOT_FOUND))
async def add_service(
    venue_id: UUID, new: NewService, operator: HasOperator, runtime: HasRuntime, now: HasNow
) -> Created:
    """Add a service to a venue."""

    async def work(uow: UnitOfWork) -> UUID:
        return await service.add_service(
            uow, venue_id=venue_id, **new.model_dump(), actor=operator.customer_id, now=now
        )

    return Created(id=await runtime.database.run(work))


@router.put("/services/{service_id}/price", responses=responses(*_OPERATOR, NOT_FOUND))
async def reprice_service(
    service_id: UUID, new: NewPrice, operator: HasOperator, runtime: HasRuntime, now: HasNow
) -> NewPrice:
    """Change the base price of a service's slots. Quotes already made keep their price."""

    async def work(uow: UnitOfWork) -> None:
        await service.reprice_service(
            uow,
            service_id=service_id,
            base_price_minor=new.base_price_minor,
            actor=operator.customer_id,
            now=now,
        )

    await runtime.database.run(work)
    return new


@router.post("/slots", status_code=201, responses=responses(*_OPERATOR, NOT_FOUND, service.SLOTS_OVERLAP))
async def add_slot(new: NewSlot, operator: HasOperator, runtime: HasRuntime, now: HasNow) -> Created:
    """Offer a slot."""

    async def work(uow: UnitOfWork) -> UUID:
        return await service.add_slot(uow, **new.model_dump(), actor=operator.customer_id, now=now)

    return Created(id=await runtime.database.run(work))


@router.get("/services/{service_id}/slots")
async def slots_of_service(
    service_id: UUID, runtime: HasRuntime, now: HasNow, limit: Annotated[int, Query(ge=1, le=500)] = 100
) -> list[Slot]:
    """The slots of a service that have not started, soonest first."""
    rows = await store.slots_of_service(runtime.database, service_id=service_id, from_=now, limit=limit)
    return [_slot(row) for row in rows]


@router.get("/slots/{slot_id}", responses=responses(NOT_FOUND))
async def read_slot(slot_id: UUID, runtime: HasRuntime) -> Slot:
    """A slot, how many of its places are taken, and what it costs now."""
    row = await store.read_slot(runtime.database, slot_id)
    if row is None:
        raise Problem(NOT_FOUND, "There is no such slot.")
    return _slot(row)


@router.patch("/slots/{slot_id}", responses=responses(*_OPERATOR, NOT_FOUND, service.CAPACITY_BELOW_TAKEN))
async def change_slot(
    slot_id: UUID, change: SlotChange, operator: HasOperator, runtime: HasRuntime, now: HasNow
) -> Slot:
    """Change a slot's capacity, never below the places taken, or its price."""

    async def work(uow: UnitOfWork) -> Row[Any] | None:
        by: dict[str, Any] = {"slot_id": slot_id, "actor": operator.customer_id, "now": now}
        if change.capacity is not None:
            await service.resize(uow, capacity=change.capacity, **by)
        if "price_minor" in change.model_fields_set:
            await service.reprice_slot(uow, price_minor=change.price_minor, **by)
        return await store.read_slot(uow, slot_id)

    row = await runtime.database.run(work)
    if row is None:
        raise Problem(NOT_FOUND, "There is no such slot.")
    return _slot(row)


def _slot(row: Row[Any]) -> Slot:
    current = price.price(row.base_minor, row.percent, row.rounding, row.currency)
    return Slot(
        id=row.id,
        service_id=row.service_id,
        resource_no=row.resource_no,
        starts_at=row.starts_at,
        ends_at=row.ends_at,
        capacity=row.capacity,
        taken=row.taken,
        price_minor=current.amount_minor,
        own_price_minor=row.price_minor,
        currency=current.currency,
        version=row.version,
    )
