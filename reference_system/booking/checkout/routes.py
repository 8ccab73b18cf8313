"""`/checkouts`."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Header, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from reference_system.booking.accounts import authentication
from reference_system.booking.accounts.authentication import HasCaller
from reference_system.booking.checkout import payment as checkout_payment
from reference_system.booking.checkout import refusals, service
from reference_system.booking.checkout.service import Begun
from reference_system.booking.platform import idempotency
from reference_system.booking.platform.db import UnitOfWork
from reference_system.booking.platform.problems import NOT_FOUND, Problem, responses
from reference_system.booking.platform.runtime import HasNow, HasRuntime
from reference_system.booking.venues import places

router = APIRouter(prefix="/checkouts", tags=["checkout"])

State = Literal["open", "paying", "processing", "booked", "declined", "failed", "expired"]


class NewCheckout(BaseModel):
    model_config = ConfigDict(extra="forbid")

    price_lock_id: UUID
    slot_id: UUID


class BegunCheckout(BaseModel):
    """Pay `amount_minor` before `hold_expires_at`."""

    id: UUID
    state: Literal["open"] = "open"
    slot_id: UUID
    amount_minor: int
    currency: str
    hold_expires_at: datetime


class Details(BaseModel):
    """The data that the customer enters."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(max_length=200)] = ""
    phone: Annotated[str, Field(max_length=50)] = ""
    note: Annotated[str, Field(max_length=2000)] = ""


class Hold(BaseModel):
    """A place is held while `live`."""

    live: bool
    expires_at: datetime | None


class Checkout(BaseModel):
    id: UUID
    state: State
    slot_id: UUID
    amount_minor: int
    currency: str
    details: dict[str, Any]
    hold: Hold
    booking_id: UUID | None
    payment_state: str | None


class NewPayment(BaseModel):
    """`token` stands for the card or the account, as the provider issued it."""

    model_config = ConfigDict(extra="forbid")

    method: Literal["card", "bank"]
    token: Annotated[str, Field(min_length=1, max_length=200)]


class Booked(BaseModel):
    """The place is booked and `amount_minor` charged."""

    booking_id: UUID
    checkout_id: UUID
    amount_minor: int
    currency: str


class Processing(BaseModel):
    """The provider reports the payment later; read the checkout to learn the outcome."""

    checkout_id: UUID
    state: Literal["processing"]


@router.post(
    "",
    status_code=201,
    responses=responses(
        *authentication.KINDS,
        NOT_FOUND,
        refusals.PRICE_LOCK_EXPIRED,
        refusals.PRICE_LOCK_USED,
        refusals.PRICE_LOCK_MISMATCH,
        places.SOLD_OUT,
        places.SLOT_STARTED,
    ),
)
async def begin(new: NewCheckout, caller: HasCaller, runtime: HasRuntime, now: HasNow) -> BegunCheckout:
    """Begin a checkout with a quote: its price is kept and a place is held."""

    async def work(uow: UnitOfWork) -> Begun | Problem:
        return await service.begin(
            uow,
            price_lock_id=new.price_lock_id,
            slot_id=new.slot_id,
            by=caller,
            settings=runtime.settings,
            now=now,
        )

    begun = await runtime.database.run(work)
    if isinstance(begun, Problem):
        raise begun
    return BegunCheckout.model_validate(begun, from_attributes=True)


@router.get("/{checkout_id}", responses=responses(*authentication.KINDS, NOT_FOUND))
async def read(checkout_id: UUID, caller: HasCaller, runtime: HasRuntime) -> Checkout:
    """A checkout of the caller, in its present state."""
    row, payment_state = await service.read(runtime.database, checkout_id=checkout_id, by=caller)
    return Checkout(
        id=row.id,
        state=row.state,
        slot_id=row.slot_id,
        amount_minor=row.amount_minor,
        currency=row.currency,
        details=service.details_of(row),
        hold=Hold(live=row.hold_live, expires_at=row.hold_expires_at),
        booking_id=row.booking_id,
        payment_state=payment_state,
    )


@router.put(
    "/{checkout_id}/details",
    responses=responses(
        *authentication.KINDS, NOT_FOUND, refusals.CHECKOUT_CLOSED, refusals.PRICE_LOCK_EXPIRED
    ),
)
async def fill_in(
    checkout_id: UUID, details: Details, caller: HasCaller, runtime: HasRuntime, now: HasNow
) -> Details:
    """Enter details; they stay with the checkout."""

    async def work(uow: UnitOfWork) -> Problem | None:
        return await service.fill_in(
            uow,
            checkout_id=checkout_id,
            details=details.model_dump(),
            by=caller,
            settings=runtime.settings,
            now=now,
        )

    refused = await runtime.database.run(work)
    if refused is not None:
        raise refused
    return details


@router.post(
    "/{checkout_id}/payment",
    status_code=201,
    response_model=Booked,
    responses={
        202: {"model": Processing, "description": "Awaiting the bank; the place stays held"},
        **responses(
            *authentication.KINDS,
            NOT_FOUND,
            refusals.CARD_DECLINED,
            refusals.PRICE_LOCK_EXPIRED,
            places.SOLD_OUT,
            idempotency.IN_PROGRESS,
            refusals.ALREADY_PAID,
            refusals.CHECKOUT_CLOSED,
            refusals.PAYMENT_NOT_TAKEN,
            idempotency.KEY_REQUIRED,
            idempotency.KEY_INVALID,
            idempotency.KEY_REUSED,
            refusals.PROVIDER_FAILED,
            refusals.PROVIDER_UNAVAILABLE,
        ),
    },
)
async def pay(
    checkout_id: UUID,
    payment: NewPayment,
    request: Request,
    caller: HasCaller,
    runtime: HasRuntime,
    now: HasNow,
    idempotency_key: Annotated[str | None, Header()] = None,
) -> Response:
    """Pay and book. A repeat with the same key gets the first conclusive answer and charges nothing."""
    key = idempotency.checked(idempotency_key, required=True)
    assert key is not None
    return await checkout_payment.pay(
        runtime,
        checkout_payment.PaymentRequest(
            checkout_id=checkout_id,
            caller=caller,
            method=payment.method,
            token=payment.token,
            key=key,
            fingerprint=idempotency.fingerprint(request.method, request.url.path, await request.body()),
        ),
        now,
    )
