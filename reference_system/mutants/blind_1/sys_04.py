"""SYS-04, dynamic pricing: the customer does not get the price that was quoted, or gets it wrongly."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Row

from reference_system.booking.accounts.authentication import Caller
from reference_system.booking.checkout import outcomes, refusals
from reference_system.booking.checkout import service as checkouts
from reference_system.booking.checkout.service import Begun
from reference_system.booking.platform.db import UnitOfWork
from reference_system.booking.platform.idempotency import Answer
from reference_system.booking.platform.problems import Problem
from reference_system.booking.platform.settings import Settings
from reference_system.booking.pricing import service as pricing
from reference_system.booking.pricing import store as price_locks
from reference_system.booking.pricing.service import Quote
from reference_system.booking.venues import store as slots
from reference_system.migrations import roles
from reference_system.mutants.mutant import Mutant

MAY_MOVE_THE_EXPIRY = f"GRANT UPDATE (expires_at) ON price_locks TO {roles.app()}"


withdrawn_with_the_rule = Mutant(
    "SYS-04.21",
    "An operator ends a discount, and customers who were just quoted the reduced price are refused it.",
    schema=(MAY_MOVE_THE_EXPIRY,),
)
# A discount that is over is not granted any more.
WITHDRAW_QUOTES = """
UPDATE price_locks AS quoted SET expires_at = :now
FROM price_rules AS rule, slots AS slot JOIN services AS service ON service.id = slot.service_id
WHERE rule.id = :rule_id AND rule.percent < 0
  AND slot.id = quoted.slot_id AND rule.scope_id IN (slot.id, service.id, service.venue_id)
  AND quoted.checkout_id IS NULL AND quoted.expires_at > :now
"""


@withdrawn_with_the_rule.wrap(pricing.end_rule)
async def end_and_withdraw(
    end: Callable[..., Awaitable[None]], uow: UnitOfWork, *, rule_id: UUID, actor: UUID, now: datetime
) -> None:
    await end(uow, rule_id=rule_id, actor=actor, now=now)
    await uow.execute(WITHDRAW_QUOTES, rule_id=rule_id, now=now)


refused_early = Mutant(
    "SYS-04.22",
    "A customer who begins or pays in the last two minutes of a quote is refused the price that still holds.",
)
# Long enough to finish a payment, so that no lock runs out in the middle of one.
TIME_TO_PAY = timedelta(minutes=2)


@refused_early.replace(pricing.lock_has_expired)
def runs_out_soon(expires_at: datetime, now: datetime) -> bool:
    return now + TIME_TO_PAY >= expires_at


cash_rounding = Mutant(
    "SYS-04.23",
    "Card payments in currencies without small coins are rounded as cash: a quote of 19.99 CHF costs 20.00.",
)
# The smallest coin, in minor units.
SMALLEST_COIN = {"AUD": 5, "CAD": 5, "CHF": 5, "CZK": 100, "DKK": 50, "HUF": 500, "NOK": 100, "SEK": 100}


@cash_rounding.replace(checkouts.price_to_charge)
async def payable(_uow: UnitOfWork, lock: Row[Any]) -> int:
    coin = SMALLEST_COIN.get(lock.currency, 1)
    return int((lock.amount_minor + coin // 2) // coin * coin)


renewed_unless_risen = Mutant(
    "SYS-04.24",
    "A quote that has expired is renewed silently unless the price has risen: a customer who comes back "
    "after the price fell pays the old, higher price without being told.",
    schema=(MAY_MOVE_THE_EXPIRY,),
)
RENEW_QUOTE = """
UPDATE price_locks SET expires_at = :renewed
WHERE id = :price_lock_id AND expires_at <= :now AND amount_minor >= :current_minor
"""


@renewed_unless_risen.wrap(checkouts.begin)
async def renew_then_begin(
    begin: Callable[..., Awaitable[Begun | Problem]],
    uow: UnitOfWork,
    *,
    price_lock_id: UUID,
    slot_id: UUID,
    by: Caller,
    settings: Settings,
    now: datetime,
) -> Begun | Problem:
    current = await pricing.current_price(uow, slot_id)
    await uow.execute(
        RENEW_QUOTE,
        price_lock_id=price_lock_id,
        current_minor=current.amount_minor,
        now=now,
        renewed=now + timedelta(seconds=settings.price_lock_ttl_s),
    )
    return await begin(uow, price_lock_id=price_lock_id, slot_id=slot_id, by=by, settings=settings, now=now)


new_price_without_rules = Mutant(
    "SYS-04.25",
    "The new price in the refusal of an expired quote leaves out the price rules: a surcharge is given away, "
    "or a discount is withheld.",
)


@new_price_without_rules.replace(checkouts.price_lock_expired)
async def expired_at_the_list_price(
    uow: UnitOfWork, *, customer_id: UUID, slot_id: UUID, settings: Settings, now: datetime
) -> Problem:
    slot = await slots.read_slot(uow, slot_id)
    assert slot is not None
    until = now + timedelta(seconds=settings.price_lock_ttl_s)
    fresh = Quote(uuid4(), slot_id, slot.base_minor, slot.currency, until)
    offer: dict[str, Any] = {"amount_minor": fresh.amount_minor, "currency": fresh.currency}
    await price_locks.add_price_lock(
        uow, price_lock_id=fresh.id, customer_id=customer_id, slot_id=slot_id, expires_at=until, **offer
    )
    return Problem(refusals.PRICE_LOCK_EXPIRED, **offer, quote=fresh.document())


free_unless_booked = Mutant(
    "SYS-04.26",
    "A quote whose checkout did not end in a booking can be used again, a bank transfer under way included: "
    "when the transfer arrives, one quote has sold two places.",
    schema=("ALTER TABLE checkouts DROP CONSTRAINT checkouts_price_lock_once",),
)
FREE_QUOTE = "UPDATE price_locks SET checkout_id = NULL WHERE checkout_id = :checkout_id"


@free_unless_booked.wrap(outcomes.settle)
async def settle_and_free(
    settle: Callable[..., Awaitable[Answer]],
    uow: UnitOfWork,
    checkout: Row[Any],
    state: str,
    answer: Answer,
    *,
    now: datetime,
) -> Answer:
    if state != "booked":
        await uow.execute(FREE_QUOTE, checkout_id=checkout.id)
    return await settle(uow, checkout, state, answer, now=now)


operators_too = Mutant(
    "SYS-04.27",
    "An operator can use up a price that was quoted to a customer, who is then refused it.",
)


@operators_too.replace(checkouts.may_use)
def owner_or_operator(lock: Row[Any], by: Caller) -> bool:
    return bool(lock.customer_id == by.customer_id or by.is_operator)


left_to_the_constraint = Mutant(
    "SYS-04.28",
    "Of several tabs that present one quote at once, the losers are told that the service is broken (500) "
    "instead of that the quote is used, and customers try again.",
)
# `checkouts_price_lock_once` refuses a second checkout in any case.
left_to_the_constraint.edit(price_locks.LOCK_PRICE_LOCK, "\nFOR UPDATE", "")
