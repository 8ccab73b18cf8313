"""SYS-04, pricing: mistakes in one direction, one method, one moment, one currency."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Row

from reference_system.booking.bookings import service as bookings
from reference_system.booking.checkout import payment, saga
from reference_system.booking.checkout import service as checkouts
from reference_system.booking.checkout import store as checkout_rows
from reference_system.booking.checkout.saga import Attempt
from reference_system.booking.holds import store as holds
from reference_system.booking.payments.intents import Intent
from reference_system.booking.platform.db import UnitOfWork
from reference_system.booking.platform.idempotency import Answer
from reference_system.booking.platform.problems import Problem
from reference_system.booking.platform.runtime import Runtime
from reference_system.booking.platform.settings import Settings
from reference_system.booking.pricing import money, service
from reference_system.migrations import roles
from reference_system.mutants.mutant import Mutant

lower_price = Mutant(
    "SYS-04.6",
    "A price that falls after the quote is charged in its place, so that receipts and quotes differ.",
)


@lower_price.replace(checkouts.price_to_charge)
async def the_lower_of_both(_uow: UnitOfWork, lock: Row[Any]) -> int:
    return min(int(lock.amount_minor), (await service.current_price(_uow, lock.slot_id)).amount_minor)


transfer_of_now = Mutant(
    "SYS-04.7", "A bank transfer is requested for the current price, and its booking never made."
)


@transfer_of_now.wrap(saga.obtain_intent)
async def for_the_price_of_now(
    obtain_intent: Callable[[Runtime, Attempt], Awaitable[Intent | None]], runtime: Runtime, attempt: Attempt
) -> Intent | None:
    if attempt.method == "bank":
        row = await checkout_rows.read_checkout(runtime.database, attempt.checkout_id)
        assert row is not None
        current = await service.current_price(runtime.database, row.slot_id)
        attempt = replace(attempt, amount_minor=current.amount_minor)
    return await obtain_intent(runtime, attempt)


checked_at_begin = Mutant("SYS-04.8", "A quote that expires while its place is held is charged all the same.")


@checked_at_begin.wrap(payment.refusal)
async def refuse_without_a_place(
    refusal: Callable[..., Awaitable[Answer | None]],
    uow: UnitOfWork,
    checkout: Row[Any],
    *,
    settings: Settings,
    now: datetime,
) -> Answer | None:
    if await checkout_rows.hold_is_live(uow, checkout.id):
        return None
    return await refusal(uow, checkout, settings=settings, now=now)


same_price = Mutant("SYS-04.9", "A quote that has expired is charged if the price happens to be the same.")


@same_price.wrap(payment.refusal)
async def refuse_another_price(
    refusal: Callable[..., Awaitable[Answer | None]],
    uow: UnitOfWork,
    checkout: Row[Any],
    *,
    settings: Settings,
    now: datetime,
) -> Answer | None:
    current = await service.current_price(uow, checkout.slot_id)
    if current.amount_minor == checkout.amount_minor and await checkout_rows.hold_is_live(uow, checkout.id):
        return None
    return await refusal(uow, checkout, settings=settings, now=now)


renewed = Mutant(
    "SYS-04.10",
    "The refusal of an expired quote renews it: whoever tries again buys at the old price.",
    schema=(f"GRANT UPDATE (expires_at) ON price_locks TO {roles.app()}",),
)
RENEW = """
UPDATE price_locks SET expires_at = :until
WHERE customer_id = :customer_id AND slot_id = :slot_id AND checkout_id IS NULL
"""


@renewed.wrap(checkouts.price_lock_expired)
async def refuse_and_renew(
    price_lock_expired: Callable[..., Awaitable[Problem]],
    uow: UnitOfWork,
    *,
    customer_id: UUID,
    slot_id: UUID,
    settings: Settings,
    now: datetime,
) -> Problem:
    problem = await price_lock_expired(
        uow, customer_id=customer_id, slot_id=slot_id, settings=settings, now=now
    )
    until = timedelta(seconds=settings.price_lock_ttl_s) + now
    await uow.execute(RENEW, customer_id=customer_id, slot_id=slot_id, until=until)
    return problem


FREE_AGAIN = "UPDATE price_locks SET checkout_id = NULL WHERE checkout_id = :checkout_id"
NOT_ONCE = ("ALTER TABLE checkouts DROP CONSTRAINT checkouts_price_lock_once",)

freed_by_cancelling = Mutant(
    "SYS-04.11", "Whoever cancels a booking can buy at its price again.", schema=NOT_ONCE
)


@freed_by_cancelling.wrap(bookings.cancel_locked)
async def cancel_and_free_the_lock(
    cancel_locked: Callable[..., Awaitable[Row[Any]]],
    uow: UnitOfWork,
    *,
    booking_id: UUID,
    actor: UUID | str,
    reason: str,
    now: datetime,
) -> Row[Any]:
    cancelled = await cancel_locked(uow, booking_id=booking_id, actor=actor, reason=reason, now=now)
    await uow.execute(FREE_AGAIN, checkout_id=cancelled.checkout_id)
    return cancelled


freed_by_expiry = Mutant(
    "SYS-04.12", "A quote whose hold has expired serves a second checkout.", schema=NOT_ONCE
)


@freed_by_expiry.wrap(holds.expire_checkout)
async def expire_and_free_the_lock(
    expire_checkout: Callable[..., Awaitable[None]], uow: UnitOfWork, *, checkout_id: UUID, now: datetime
) -> None:
    await expire_checkout(uow, checkout_id=checkout_id, now=now)
    await uow.execute(FREE_AGAIN, checkout_id=checkout_id)


few_currencies = Mutant(
    "SYS-04.13", "Prices in currencies without decimals, other than the yen and the won, cannot be paid."
)


@few_currencies.replace(money.exponent)
def well_known_exponent(currency: str) -> int:
    return {"JPY": 0, "KRW": 0, "KWD": 3, "BHD": 3, "JOD": 3, "OMR": 3, "TND": 3, "IQD": 3, "LYD": 3}.get(
        currency, 2
    )


two_decimals = Mutant("SYS-04.14", "The third decimal of a price is lost on its way to the charge.")


@two_decimals.replace(checkouts.price_to_charge)
async def price_in_a_column_of_two_decimals(_uow: UnitOfWork, lock: Row[Any]) -> int:
    column = Decimal(money.to_major(lock.amount_minor, lock.currency)).quantize(Decimal("0.01"))
    return money.to_minor(str(column), lock.currency)
