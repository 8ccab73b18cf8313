"""HARD-06, places: a mistake by which more are sold than a slot still has."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import Row

from reference_system.booking.db import UnitOfWork
from reference_system.booking.problems import NOT_FOUND, Problem
from reference_system.booking.venues import places, store
from reference_system.mutants.mutant import Mutant, Replace


async def _claim_by_the_size_of_before(uow: UnitOfWork, slot_id: UUID) -> Row[Any]:
    slot = await store.read_slot(uow, slot_id)
    if slot is None:
        raise Problem(NOT_FOUND, "There is no such slot.")
    locked = await store.lock_slot(uow, slot_id)
    if locked is None or locked.taken >= slot.capacity:
        raise Problem(places.SOLD_OUT)
    return slot


MUTANTS = (
    Mutant(
        id="HARD-06.1",
        harm="Who books as a slot is made smaller gets a place that it has no more.",
        substitutions=(
            Replace("reference_system.booking.venues.places:claim", _claim_by_the_size_of_before),
        ),
        # Whoever trusts the code to check does not have the schema check too.
        schema=("ALTER TABLE slots DROP CONSTRAINT slots_taken_within_capacity",),
    ),
)
