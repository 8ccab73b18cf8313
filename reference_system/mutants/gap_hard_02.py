"""HARD-02, prices: a mistake by which a price is put together from two moments."""

from __future__ import annotations

from uuid import UUID

from reference_system.booking.db import Database, UnitOfWork
from reference_system.booking.pricing import price
from reference_system.booking.pricing.price import Price
from reference_system.booking.pricing.store import PERCENT_IN_FORCE
from reference_system.booking.problems import NOT_FOUND, Problem
from reference_system.mutants.mutant import Mutant, Replace

_FROM = """
FROM slots AS slot
JOIN services AS service ON service.id = slot.service_id
JOIN venues AS venue ON venue.id = service.venue_id
WHERE slot.id = :slot_id
"""
_BASE = (
    "SELECT coalesce(slot.price_minor, service.base_price_minor) AS minor, venue.rounding, venue.currency"
    + _FROM
)
_RULES = f"SELECT {PERCENT_IN_FORCE} AS percent" + _FROM


async def _base_then_rules(source: UnitOfWork | Database, slot_id: UUID) -> Price:
    base = await source.first(_BASE, slot_id=slot_id)
    rules = await source.first(_RULES, slot_id=slot_id)
    if base is None or rules is None:
        raise Problem(NOT_FOUND, "There is no such slot.")
    return price.price(base.minor, rules.percent, base.rounding, base.currency)


MUTANTS = (
    Mutant(
        id="HARD-02.1",
        harm="Who asks for a price as it is made up anew is asked for the old base without the old rebate.",
        substitutions=(Replace("reference_system.booking.pricing.service:current_price", _base_then_rules),),
    ),
)
