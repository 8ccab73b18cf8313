"""HARD-02, prices: a price is computed from data read at two moments."""

from __future__ import annotations

from uuid import UUID

from reference_system.booking.platform.db import Database, UnitOfWork
from reference_system.booking.platform.problems import NOT_FOUND, Problem
from reference_system.booking.pricing import price, service
from reference_system.booking.pricing.price import Price
from reference_system.booking.pricing.store import PERCENT_IN_FORCE
from reference_system.mutants.mutant import Mutant

FROM = """
FROM slots AS slot
JOIN services AS service ON service.id = slot.service_id
JOIN venues AS venue ON venue.id = service.venue_id
WHERE slot.id = :slot_id
"""
BASE = (
    "SELECT coalesce(slot.price_minor, service.base_price_minor) AS minor, venue.rounding, venue.currency"
    + FROM
)
RULES = f"SELECT {PERCENT_IN_FORCE} AS percent" + FROM

two_reads = Mutant(
    "HARD-02.1",
    "A price quoted during a change combines the old base price with the new rebate.",
)


@two_reads.replace(service.current_price)
async def base_then_rules(source: UnitOfWork | Database, slot_id: UUID) -> Price:
    base = await source.first(BASE, slot_id=slot_id)
    rules = await source.first(RULES, slot_id=slot_id)
    if base is None or rules is None:
        raise Problem(NOT_FOUND, "There is no such slot.")
    return price.price(base.minor, rules.percent, base.rounding, base.currency)
