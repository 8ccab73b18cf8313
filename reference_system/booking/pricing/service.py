"""Quotes: a computed price that is valid for the customer until its lock expires."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from reference_system.booking.audit import store as audit
from reference_system.booking.platform.db import Database, UnitOfWork
from reference_system.booking.platform.problems import NOT_FOUND, Problem
from reference_system.booking.pricing import money, price, store
from reference_system.booking.pricing.price import Price


@dataclass(frozen=True, slots=True)
class Quote:
    """A price lock: this customer may buy this slot at this price until `expires_at`."""

    id: UUID
    slot_id: UUID
    amount_minor: int
    currency: str
    expires_at: datetime

    def document(self) -> dict[str, Any]:
        """Return the quote as JSON, with the amount also in major units."""
        return {
            "id": str(self.id),
            "slot_id": str(self.slot_id),
            "amount_minor": self.amount_minor,
            "currency": self.currency,
            "amount": money.to_major(self.amount_minor, self.currency),
            "expires_at": self.expires_at.isoformat(),
        }


async def current_price(source: UnitOfWork | Database, slot_id: UUID) -> Price:
    """The current price of a slot; raises Problem (404) if there is no such slot."""
    row = await store.read_price(source, slot_id)
    if row is None:
        raise Problem(NOT_FOUND, "There is no such slot.")
    return price.price(row.base_minor, row.percent, row.rounding, row.currency)


async def quote(uow: UnitOfWork, *, customer_id: UUID, slot_id: UUID, now: datetime, ttl_s: float) -> Quote:
    """Lock the current price of a slot for a customer, for `ttl_s` seconds."""
    current = await current_price(uow, slot_id)
    made = Quote(uuid4(), slot_id, current.amount_minor, current.currency, now + timedelta(seconds=ttl_s))
    await store.add_price_lock(
        uow,
        price_lock_id=made.id,
        customer_id=customer_id,
        slot_id=slot_id,
        amount_minor=made.amount_minor,
        currency=made.currency,
        expires_at=made.expires_at,
    )
    return made


def lock_has_expired(expires_at: datetime, now: datetime) -> bool:
    """Whether a price lock has expired."""
    return now >= expires_at


async def add_rule(
    uow: UnitOfWork, *, scope: str, scope_id: UUID, percent: Decimal, actor: UUID, now: datetime
) -> UUID:
    """Add a rule; raises Problem (404) if the object of its scope does not exist."""
    if not await store.scope_exists(uow, scope=scope, scope_id=scope_id):
        raise Problem(NOT_FOUND, f"There is no such {scope}.")
    rule_id = uuid4()
    await store.add_rule(uow, rule_id=rule_id, scope=scope, scope_id=scope_id, percent=percent)
    await audit.record(
        uow,
        at=now,
        actor=actor,
        action="price-rule-added",
        entity=scope,
        entity_id=scope_id,
        rule=rule_id,
        percent=percent,
    )
    return rule_id


async def end_rule(uow: UnitOfWork, *, rule_id: UUID, actor: UUID, now: datetime) -> None:
    """End a rule; raises Problem (404) if it is not in force."""
    if not await store.end_rule(uow, rule_id):
        raise Problem(NOT_FOUND, "There is no such price rule in force.")
    await audit.record(
        uow, at=now, actor=actor, action="price-rule-ended", entity="price-rule", entity_id=rule_id
    )
