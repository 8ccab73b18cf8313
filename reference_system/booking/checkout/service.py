"""Beginning, reading and filling in a checkout; `saga` pays for it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Row

from reference_system.booking.accounts.authentication import Caller
from reference_system.booking.audit import store as audit
from reference_system.booking.checkout import refusals, store
from reference_system.booking.holds import service as holds
from reference_system.booking.payments import store as payments
from reference_system.booking.platform.db import Database, UnitOfWork
from reference_system.booking.platform.problems import NOT_FOUND, Problem
from reference_system.booking.platform.settings import Settings
from reference_system.booking.pricing import service as pricing
from reference_system.booking.pricing import store as price_locks


@dataclass(frozen=True, slots=True)
class Begun:
    """A new checkout."""

    id: UUID
    slot_id: UUID
    amount_minor: int
    currency: str
    hold_expires_at: datetime


async def begin(
    uow: UnitOfWork, *, price_lock_id: UUID, slot_id: UUID, by: Caller, settings: Settings, now: datetime
) -> Begun | Problem:
    """Begin a checkout: use the price lock and hold a place.

    Returns the refusal of an expired price lock, so that the fresh quote in it is committed. Raises Problem
    for every other refusal: 404 for a lock of another customer, 409.
    """
    lock = await price_locks.lock_price_lock(uow, price_lock_id)
    if lock is None or not may_use(lock, by):
        raise Problem(NOT_FOUND, "There is no such price lock of yours.")
    if not is_for(lock, slot_id):
        raise Problem(refusals.PRICE_LOCK_MISMATCH)
    if is_used(lock):
        raise Problem(refusals.PRICE_LOCK_USED, checkout_id=str(lock.checkout_id))
    if pricing.lock_has_expired(lock.expires_at, now):
        return await price_lock_expired(
            uow, customer_id=by.customer_id, slot_id=slot_id, settings=settings, now=now
        )
    checkout_id = uuid4()
    price = await price_to_charge(uow, lock)
    await store.add_checkout(
        uow,
        checkout_id=checkout_id,
        customer_id=by.customer_id,
        slot_id=slot_id,
        price_lock_id=price_lock_id,
        amount_minor=price,
        currency=lock.currency,
        now=now,
    )
    if not await price_locks.use_price_lock(uow, price_lock_id=price_lock_id, checkout_id=checkout_id):
        raise Problem(refusals.PRICE_LOCK_USED)
    expires_at = await holds.take(
        uow,
        slot_id=slot_id,
        customer_id=by.customer_id,
        checkout_id=checkout_id,
        now=now,
        ttl_s=settings.hold_ttl_s,
    )
    await audit.record(
        uow,
        at=now,
        actor=by.customer_id,
        action="begun",
        entity="checkout",
        entity_id=checkout_id,
        slot=slot_id,
        amount_minor=price,
    )
    return Begun(checkout_id, slot_id, price, lock.currency, expires_at)


async def read(database: Database, *, checkout_id: UUID, by: Caller) -> tuple[Row[Any], str | None]:
    """Return a checkout of the caller and the state of its payment; raises Problem (404)."""
    checkout = await store.read_checkout(database, checkout_id)
    if checkout is None or not is_owner(checkout, by):
        raise Problem(NOT_FOUND)
    return checkout, await payments.payment_state(database, checkout_id)


async def fill_in(
    uow: UnitOfWork,
    *,
    checkout_id: UUID,
    details: Mapping[str, Any],
    by: Caller,
    settings: Settings,
    now: datetime,
) -> Problem | None:
    """Store the data that the customer entered; raises Problem: 404, 409 if the checkout has ended.

    Returns the refusal of a checkout that has expired with its price lock, so that the fresh quote in it is
    committed.
    """
    checkout = await store.lock_checkout(uow, checkout_id)
    if checkout is None or not is_owner(checkout, by):
        raise Problem(NOT_FOUND)
    if checkout.state == "expired":
        expires_at = await store.price_lock_expiry(uow, checkout.price_lock_id)
        if pricing.lock_has_expired(expires_at, now):
            return await price_lock_expired(
                uow, customer_id=by.customer_id, slot_id=checkout.slot_id, settings=settings, now=now
            )
    if checkout.state not in ("open", "paying", "processing"):
        raise Problem(refusals.CHECKOUT_CLOSED, state=checkout.state)
    await store.set_details(uow, checkout_id=checkout_id, details=details, now=now)
    return None


async def price_lock_expired(
    uow: UnitOfWork, *, customer_id: UUID, slot_id: UUID, settings: Settings, now: datetime
) -> Problem:
    """Return the refusal of an expired price lock, with a fresh quote at the current price."""
    quote = await pricing.quote(
        uow, customer_id=customer_id, slot_id=slot_id, now=now, ttl_s=settings.price_lock_ttl_s
    )
    return Problem(
        refusals.PRICE_LOCK_EXPIRED,
        amount_minor=quote.amount_minor,
        currency=quote.currency,
        quote=quote.document(),
    )


def details_of(checkout: Row[Any]) -> dict[str, Any]:
    """Return the data that the customer has entered."""
    details: dict[str, Any] = json.loads(checkout.details)
    return details


# -- rules -----------------------------------------------------------------------------------------


def is_owner(checkout: Row[Any], by: Caller) -> bool:
    """Whether the caller is the customer of the checkout."""
    return bool(checkout.customer_id == by.customer_id)


def may_use(lock: Row[Any], by: Caller) -> bool:
    """Whether the price was quoted to the caller."""
    return bool(lock.customer_id == by.customer_id)


def is_for(lock: Row[Any], slot_id: UUID) -> bool:
    """Whether a price lock was quoted for the slot."""
    return bool(lock.slot_id == slot_id)


def is_used(lock: Row[Any]) -> bool:
    """Whether a checkout has used the price lock already."""
    return lock.checkout_id is not None


async def price_to_charge(_uow: UnitOfWork, lock: Row[Any]) -> int:
    """Return the amount that a checkout charges: the quoted price, even if the slot's price has changed."""
    return int(lock.amount_minor)
