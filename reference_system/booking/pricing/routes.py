"""`/quotes` and `/price-rules`."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field

from reference_system.booking.accounts import authentication
from reference_system.booking.accounts.authentication import HasCaller, HasOperator
from reference_system.booking.platform.db import UnitOfWork
from reference_system.booking.platform.problems import FORBIDDEN, NOT_FOUND, responses
from reference_system.booking.platform.runtime import HasNow, HasRuntime
from reference_system.booking.pricing import service

router = APIRouter(tags=["pricing"])


class QuoteRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")

    slot_id: UUID


class Quoted(BaseModel):
    """A price lock; `amount` is in major units, with the currency's decimals."""

    id: UUID
    slot_id: UUID
    amount_minor: int
    currency: str
    amount: str
    expires_at: datetime


class NewPriceRule(BaseModel):
    """Moves every price in its scope by `percent`: 10 is a tenth more, -50 half off."""

    model_config = ConfigDict(extra="forbid")

    scope: Literal["slot", "service", "venue"]
    scope_id: UUID
    percent: Annotated[Decimal, Field(ge=-100, le=1000, decimal_places=4)]


class PriceRule(BaseModel):
    id: UUID


@router.post("/quotes", status_code=201, responses=responses(*authentication.KINDS, NOT_FOUND))
async def quote(request: QuoteRequest, caller: HasCaller, runtime: HasRuntime, now: HasNow) -> Quoted:
    """Lock the slot's current price for the caller."""

    async def work(uow: UnitOfWork) -> service.Quote:
        return await service.quote(
            uow,
            customer_id=caller.customer_id,
            slot_id=request.slot_id,
            now=now,
            ttl_s=runtime.settings.price_lock_ttl_s,
        )

    made = await runtime.database.run(work)
    return Quoted.model_validate(made.document())


@router.post(
    "/price-rules", status_code=201, responses=responses(*authentication.KINDS, FORBIDDEN, NOT_FOUND)
)
async def add_price_rule(
    new: NewPriceRule, operator: HasOperator, runtime: HasRuntime, now: HasNow
) -> PriceRule:
    """Put a price rule in force. Quotes already made keep their price."""

    async def work(uow: UnitOfWork) -> UUID:
        return await service.add_rule(
            uow,
            scope=new.scope,
            scope_id=new.scope_id,
            percent=new.percent,
            actor=operator.customer_id,
            now=now,
        )

    return PriceRule(id=await runtime.database.run(work))


@router.delete(
    "/price-rules/{rule_id}",
    status_code=204,
    responses=responses(*authentication.KINDS, FORBIDDEN, NOT_FOUND),
)
async def end_price_rule(rule_id: UUID, operator: HasOperator, runtime: HasRuntime, now: HasNow) -> Response:
    """End a price rule. Quotes already made keep their price."""

    async def work(uow: UnitOfWork) -> None:
        await service.end_rule(uow, rule_id=rule_id, actor=operator.customer_id, now=now)

    await runtime.database.run(work)
    return Response(status_code=204)
