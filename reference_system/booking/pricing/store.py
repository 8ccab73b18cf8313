"""Prices, rules and price locks in the database."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Row

from reference_system.booking.platform.db import Database, UnitOfWork

# The rules in force for `slot` of `service` of `venue`: their percentages add up.
PERCENT_IN_FORCE = """
coalesce((
    SELECT sum(rule.percent) FROM price_rules AS rule
    WHERE rule.active AND (
        (rule.scope = 'slot' AND rule.scope_id = slot.id)
        OR (rule.scope = 'service' AND rule.scope_id = service.id)
        OR (rule.scope = 'venue' AND rule.scope_id = venue.id)
    )
), 0)
"""
READ_PRICE = f"""
SELECT
    coalesce(slot.price_minor, service.base_price_minor) AS base_minor,
    venue.currency,
    venue.rounding,
    slot.starts_at,
    {PERCENT_IN_FORCE} AS percent
FROM slots AS slot
JOIN services AS service ON service.id = slot.service_id
JOIN venues AS venue ON venue.id = service.venue_id
WHERE slot.id = :slot_id
"""  # noqa: S608 - a constant of ours
ADD_PRICE_LOCK = """
INSERT INTO price_locks (id, customer_id, slot_id, amount_minor, currency, expires_at)
VALUES (:id, :customer_id, :slot_id, :amount_minor, :currency, :expires_at)
"""
LOCK_PRICE_LOCK = """
SELECT id, customer_id, slot_id, amount_minor, currency, expires_at, checkout_id FROM price_locks
WHERE id = :price_lock_id
FOR UPDATE
"""
USE_PRICE_LOCK = """
UPDATE price_locks SET checkout_id = :checkout_id WHERE id = :price_lock_id AND checkout_id IS NULL
"""
ADD_RULE = """
INSERT INTO price_rules (id, scope, scope_id, percent, active) VALUES (:id, :scope, :scope_id, :percent, true)
"""
END_RULE = "UPDATE price_rules SET active = false WHERE id = :rule_id AND active"
# The table that a rule's scope refers to.
SCOPE_EXISTS = {
    "slot": "SELECT 1 AS there FROM slots WHERE id = :scope_id",
    "service": "SELECT 1 AS there FROM services WHERE id = :scope_id",
    "venue": "SELECT 1 AS there FROM venues WHERE id = :scope_id",
}


async def read_price(source: UnitOfWork | Database, slot_id: UUID) -> Row[Any] | None:
    """`base_minor`, `percent` (the sum of the rules in force), `currency`, `rounding`, `starts_at`."""
    return await source.first(READ_PRICE, slot_id=slot_id)


async def add_price_lock(
    uow: UnitOfWork,
    *,
    price_lock_id: UUID,
    customer_id: UUID,
    slot_id: UUID,
    amount_minor: int,
    currency: str,
    expires_at: datetime,
) -> None:
    await uow.execute(
        ADD_PRICE_LOCK,
        id=price_lock_id,
        customer_id=customer_id,
        slot_id=slot_id,
        amount_minor=amount_minor,
        currency=currency,
        expires_at=expires_at,
    )


async def lock_price_lock(uow: UnitOfWork, price_lock_id: UUID) -> Row[Any] | None:
    """Return the price lock, its row locked until the commit."""
    return await uow.first(LOCK_PRICE_LOCK, price_lock_id=price_lock_id)


async def use_price_lock(uow: UnitOfWork, *, price_lock_id: UUID, checkout_id: UUID) -> bool:
    """Use the price lock for a checkout; returns False if it was used before."""
    return await uow.execute(USE_PRICE_LOCK, price_lock_id=price_lock_id, checkout_id=checkout_id) == 1


async def add_rule(uow: UnitOfWork, *, rule_id: UUID, scope: str, scope_id: UUID, percent: Decimal) -> None:
    await uow.execute(ADD_RULE, id=rule_id, scope=scope, scope_id=scope_id, percent=percent)


async def end_rule(uow: UnitOfWork, rule_id: UUID) -> bool:
    """End a rule; returns False if it was not in force."""
    return await uow.execute(END_RULE, rule_id=rule_id) == 1


async def scope_exists(uow: UnitOfWork, *, scope: str, scope_id: UUID) -> bool:
    """Whether the object of a rule's scope exists."""
    return await uow.first(SCOPE_EXISTS[scope], scope_id=scope_id) is not None
