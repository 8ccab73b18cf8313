"""SYS-04, pricing: mistakes by which somebody pays another price than was quoted."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row

from reference_system.booking.accounts.authentication import Caller
from reference_system.booking.db import UnitOfWork
from reference_system.booking.pricing import money, service
from reference_system.mutants.mutant import Edit, Mutant, Replace

_CHECKOUT = "reference_system.booking.checkout.service"


async def _price_of_now(_uow: UnitOfWork, lock: Row[Any]) -> int:
    return (await service.current_price(_uow, lock.slot_id)).amount_minor


def _never_expires(expires_at: datetime, now: datetime) -> bool:
    return False


def _not_looked_at(lock: Row[Any]) -> bool:
    return False


async def _price_as_it_was_shown(_uow: UnitOfWork, lock: Row[Any]) -> int:
    shown = float(money.to_major(lock.amount_minor, lock.currency))
    return int(shown * 10 ** money.exponent(lock.currency))


def _for_any_slot(lock: Row[Any], slot_id: UUID) -> bool:
    return True


def _of_anybody(lock: Row[Any], by: Caller) -> bool:
    return True


MUTANTS = (
    Mutant(
        id="SYS-04.1",
        harm="The customer is charged what the slot costs by now, not what he was quoted.",
        substitutions=(Replace(f"{_CHECKOUT}:price_to_charge", _price_of_now),),
        cites="spree#11801; PrestaShop#11507; pretix#4493",
    ),
    Mutant(
        id="SYS-04.2",
        harm="A price from last week still buys, at the venue's loss.",
        substitutions=(Replace("reference_system.booking.pricing.service:lock_has_expired", _never_expires),),
    ),
    Mutant(
        id="SYS-04.3",
        harm="One quoted price buys any number of places.",
        substitutions=(
            Replace(f"{_CHECKOUT}:is_used", _not_looked_at),
            Edit("reference_system.booking.pricing.store:USE_PRICE_LOCK", " AND checkout_id IS NULL", ""),
        ),
        schema=(
            "ALTER TABLE checkouts DROP CONSTRAINT checkouts_price_lock_once",
            # ... nor would their price_locks.checkout_id be unique.
            "ALTER TABLE price_locks DROP CONSTRAINT IF EXISTS price_locks_checkout_id_key",
        ),
    ),
    Mutant(
        id="SYS-04.4",
        harm="The price shown is parsed back as a float: some customers pay a cent less than was quoted.",
        substitutions=(Replace(f"{_CHECKOUT}:price_to_charge", _price_as_it_was_shown),),
    ),
    Mutant(
        id="SYS-04.5",
        harm="Whoever has the id of a price lock can use it, for whatever slot.",
        substitutions=(
            Replace(f"{_CHECKOUT}:is_for", _for_any_slot),
            Replace(f"{_CHECKOUT}:may_use", _of_anybody),
        ),
    ),
)
