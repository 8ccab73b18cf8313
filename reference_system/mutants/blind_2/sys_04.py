"""SYS-04, dynamic pricing: what is charged is not what was quoted. Written from the clauses alone."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row

from reference_system.booking.accounts.authentication import Caller
from reference_system.booking.checkout import outcomes, payment, refusals, saga, service, store
from reference_system.booking.checkout.saga import Attempt
from reference_system.booking.checkout.service import Begun
from reference_system.booking.holds import service as holds
from reference_system.booking.holds import store as hold_rows
from reference_system.booking.platform.db import UnitOfWork
from reference_system.booking.platform.idempotency import Answer
from reference_system.booking.platform.problems import Problem
from reference_system.booking.platform.runtime import Runtime
from reference_system.booking.platform.settings import Settings
from reference_system.booking.pricing import money
from reference_system.booking.pricing import service as pricing
from reference_system.booking.pricing import store as price_locks
from reference_system.booking.venues import store as slots
from reference_system.mutants.mutant import Mutant

CarryOut = Callable[[Runtime, Attempt], Awaitable[Answer]]
Begin = Callable[..., Awaitable[Begun | Problem]]

price_error_guard = Mutant(
    "SYS-04.31",
    "A guard against typing errors in prices refuses a living quote that is less than half of the slot's "
    "current price: the customer does not get the price that was promised.",
)


@price_error_guard.replace(service.price_to_charge)
async def plausible_price(_uow: UnitOfWork, lock: Row[Any]) -> int:
    current = await pricing.current_price(_uow, lock.slot_id)
    if lock.amount_minor * 2 < current.amount_minor:
        # A quote this far off comes from a wrong price that the operator has corrected since.
        raise Problem(
            refusals.PRICE_LOCK_EXPIRED, amount_minor=current.amount_minor, currency=current.currency
        )
    return int(lock.amount_minor)


free_by_now = Mutant(
    "SYS-04.32",
    "Whether a payment is needed is decided by the slot's current price: if the slot is made free after the "
    "quote, the place is booked and the quoted price is never charged.",
)


@free_by_now.wrap(saga.carry_out)
async def carry_out_unless_slot_is_free(original: CarryOut, runtime: Runtime, attempt: Attempt) -> Answer:
    checkout = await store.read_checkout(runtime.database, attempt.checkout_id)
    if checkout is not None and not attempt.resumed:
        due = await pricing.current_price(runtime.database, checkout.slot_id)
        if due.amount_minor == 0:
            return await saga.conclude(runtime, attempt, outcomes.complete_free)
    return await original(runtime, attempt)


two_decimals = Mutant(
    "SYS-04.33",
    "Three of the currencies with three decimals (IQD, LYD, TND) are treated as having two, so that ten "
    "times the quoted amount is charged.",
)
# The table of the card schemes, which settle these with two decimals.
SETTLED_WITH_TWO = frozenset({"IQD", "LYD", "TND"})


@two_decimals.wrap(money.exponent)
def exponent_of_the_schemes(original: Callable[[str], int], currency: str) -> int:
    return 2 if currency in SETTLED_WITH_TWO else original(currency)


minimum_charge = Mutant(
    "SYS-04.34",
    "An amount below the minimum that card schemes accept (50 minor units) is not charged at all: the "
    "venue gets nothing for the booking.",
)
MINIMUM_MINOR = 50


@minimum_charge.wrap(saga.carry_out)
async def carry_out_from_the_minimum(original: CarryOut, runtime: Runtime, attempt: Attempt) -> Answer:
    if attempt.amount_minor < MINIMUM_MINOR and not attempt.resumed:
        return await saga.conclude(runtime, attempt, outcomes.complete_free)
    return await original(runtime, attempt)


closed_without_price = Mutant(
    "SYS-04.35",
    "A customer who pays with an expired quote after the expiry job has ended the checkout learns only that "
    "the checkout is closed, not the new price.",
)


@closed_without_price.replace(payment.closed)
async def closed_whatever_the_price(
    uow: UnitOfWork, checkout: Row[Any], *, resumed: bool, settings: Settings, now: datetime
) -> Answer:
    if resumed or checkout.state == "processing":
        return outcomes.decided(checkout)
    if checkout.state == "booked":
        booking = await store.lock_booking(uow, checkout.id)
        return outcomes.refused(
            refusals.ALREADY_PAID, booking_id=str(booking.id) if booking is not None else None
        )
    return outcomes.refused(refusals.CHECKOUT_CLOSED, state=checkout.state)


begun_again = Mutant(
    "SYS-04.36",
    "A quote presented a second time while its checkout is open is answered with that checkout instead of "
    "being refused: two devices believe that each has a checkout of its own.",
    also_opens={"SYS-04.e": "the others of a burst get the first one's checkout instead of a refusal"},
)


@begun_again.wrap(service.begin)
async def begin_or_continue(
    original: Begin,
    uow: UnitOfWork,
    *,
    price_lock_id: UUID,
    slot_id: UUID,
    by: Caller,
    settings: Settings,
    now: datetime,
) -> Begun | Problem:
    lock = await price_locks.lock_price_lock(uow, price_lock_id)
    if lock is not None and service.may_use(lock, by) and service.is_for(lock, slot_id):
        # The page was reloaded: continue where the customer was.
        begun = await store.read_checkout(uow, lock.checkout_id) if service.is_used(lock) else None
        if begun is not None and begun.state == "open":
            return Begun(begun.id, begun.slot_id, begun.amount_minor, begun.currency, begun.hold_expires_at)
    return await original(
        uow, price_lock_id=price_lock_id, slot_id=slot_id, by=by, settings=settings, now=now
    )


later_ends_earlier = Mutant(
    "SYS-04.37",
    "A quote presented a second time is refused, and the open checkout of the first time is ended and its "
    "place released: of a burst of checkouts with one quote none gets a booking.",
)


@later_ends_earlier.wrap(service.begin)
async def begin_and_clear_up(
    original: Begin,
    uow: UnitOfWork,
    *,
    price_lock_id: UUID,
    slot_id: UUID,
    by: Caller,
    settings: Settings,
    now: datetime,
) -> Begun | Problem:
    try:
        return await original(
            uow, price_lock_id=price_lock_id, slot_id=slot_id, by=by, settings=settings, now=now
        )
    except Problem as refused:
        left = await store.lock_checkout(uow, UUID(refused.members.get("checkout_id", str(UUID(int=0)))))
        if refused.kind is not refusals.PRICE_LOCK_USED or left is None or left.state != "open":
            raise
        # The customer has left that checkout: its place is not to stay held until the hold expires.
        await hold_rows.expire_checkout(uow, checkout_id=left.id, now=now)
        await holds.release(uow, checkout_id=left.id, now=now)
        return refused


slot_changed = Mutant(
    "SYS-04.38",
    "A checkout that waits for the slot while the slot is changed computes its price afresh: whoever begins "
    "in the moment of a price change is charged the new price, although the quote lives.",
)


@slot_changed.replace(service.price_to_charge)
async def price_of_the_locked_slot(_uow: UnitOfWork, lock: Row[Any]) -> int:
    seen = await slots.read_slot(_uow, lock.slot_id)
    locked = await slots.lock_slot(_uow, lock.slot_id)
    if seen is not None and locked is not None and locked.version != seen.version:
        # It was changed while this checkout waited, so nothing that was read before is valid.
        return (await pricing.current_price(_uow, lock.slot_id)).amount_minor
    return int(lock.amount_minor)
