"""HARD-06, places: more places are sold than a slot has left."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import Row

from reference_system.booking.platform.db import UnitOfWork
from reference_system.booking.platform.problems import NOT_FOUND, Problem
from reference_system.booking.venues import places, store
from reference_system.mutants.mutant import Mutant

early_capacity = Mutant(
    "HARD-06.1",
    "A customer who books while the slot is made smaller gets a place that it no longer has.",
    # A team that relies on the check in the code has none in the schema.
    schema=("ALTER TABLE slots DROP CONSTRAINT slots_taken_within_capacity",),
)


@early_capacity.replace(places.claim)
async def claim_by_the_earlier_capacity(uow: UnitOfWork, slot_id: UUID) -> Row[Any]:
    slot = await store.read_slot(uow, slot_id)
    if slot is None:
        raise Problem(NOT_FOUND, "There is no such slot.")
    locked = await store.lock_slot(uow, slot_id)
    if locked is None or locked.taken >= slot.capacity:
        raise Problem(places.SOLD_OUT)
    return slot
