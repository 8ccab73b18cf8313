"""SYS-04, pricing: a customer pays a price other than the quoted one."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row

from reference_system.booking.accounts.authentication import Caller
from reference_system.booking.checkout import service as checkouts
from reference_system.booking.platform.db import UnitOfWork
from reference_system.booking.pricing import money, service, store
from reference_system.mutants.mutant import Mutant

current_price = Mutant(
    "SYS-04.1",
    "The customer is charged the slot's current price, not the quoted one.",
    cites="spree#11801; PrestaShop#11507; pretix#4493",
)


@current_price.replace(checkouts.price_to_charge)
async def price_of_now(_uow: UnitOfWork, lock: Row[Any]) -> int:
    return (await service.current_price(_uow, lock.slot_id)).amount_minor


endless_lock = Mutant("SYS-04.2", "A price quoted last week still buys, at the venue's loss.")


@endless_lock.replace(service.lock_has_expired)
def never_expires(expires_at: datetime, now: datetime) -> bool:
    return False


reused_lock = Mutant(
    "SYS-04.3",
    "One quoted price buys any number of places.",
    schema=(
        "ALTER TABLE checkouts DROP CONSTRAINT checkouts_price_lock_once",
        # The team's price_locks.checkout_id would not be unique either.
        "ALTER TABLE price_locks DROP CONSTRAINT IF EXISTS price_locks_checkout_id_key",
    ),
)
reused_lock.edit(store.USE_PRICE_LOCK, " AND checkout_id IS NULL", "")


@reused_lock.replace(checkouts.is_used)
def not_checked(lock: Row[Any]) -> bool:
    return False


price_as_float = Mutant(
    "SYS-04.4",
    "The displayed price is parsed back as a float: some customers pay a cent less than was quoted.",
)


@price_as_float.replace(checkouts.price_to_charge)
async def price_as_it_was_shown(_uow: UnitOfWork, lock: Row[Any]) -> int:
    shown = float(money.to_major(lock.amount_minor, lock.currency))
    return int(shown * 10 ** money.exponent(lock.currency))


foreign_lock = Mutant("SYS-04.5", "Anyone with the id of a price lock can use it, for any slot.")


@foreign_lock.replace(checkouts.is_for)
def for_any_slot(lock: Row[Any], slot_id: UUID) -> bool:
    return True


@foreign_lock.replace(checkouts.may_use)
def for_any_caller(lock: Row[Any], by: Caller) -> bool:
    return True
