"""HARD-05, counts: a mistake by which a value that came back is taken for one that never changed (ABA)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row

from reference_system.booking.db import UnitOfWork
from reference_system.mutants.mutant import Mutant, Replace

_READ = "SELECT id, starts_at, capacity, taken, version FROM slots WHERE id = ANY(:slot_ids) ORDER BY id"
_TAKE_THE_TURN = "UPDATE slots SET version = version + 1 WHERE id = :slot_id AND taken = :taken"


async def _one_if_as_many_are_taken(uow: UnitOfWork, slot_id: UUID) -> Row[Any] | None:
    return (await _those_if_as_many_are_taken(uow, [slot_id])).get(slot_id)


async def _those_if_as_many_are_taken(uow: UnitOfWork, slot_ids: Sequence[UUID]) -> dict[UUID, Row[Any]]:
    while True:
        seen = await uow.all(_READ, slot_ids=list(slot_ids))
        turns = [await uow.execute(_TAKE_THE_TURN, slot_id=slot.id, taken=slot.taken) for slot in seen]
        if all(turns):
            return {slot.id: slot for slot in seen}


MUTANTS = (
    Mutant(
        id="HARD-05.1",
        harm="Who waits for his turn compares how many are taken, and not the version: when others left, the "
        "slot was made smaller and filled up again, he gets a place that it has no more.",
        substitutions=(
            Replace("reference_system.booking.venues.store:lock_slot", _one_if_as_many_are_taken),
            Replace("reference_system.booking.venues.store:lock_slots", _those_if_as_many_are_taken),
        ),
        # Whoever trusts the code to check does not have the schema check too.
        schema=("ALTER TABLE slots DROP CONSTRAINT slots_taken_within_capacity",),
    ),
)
