"""HARD-05, counts: a value that changed and changed back is treated as unchanged (ABA)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row

from reference_system.booking.platform.db import UnitOfWork
from reference_system.booking.venues import store
from reference_system.mutants.mutant import Mutant

READ = "SELECT id, starts_at, capacity, taken, version FROM slots WHERE id = ANY(:slot_ids) ORDER BY id"
TAKE_THE_TURN = "UPDATE slots SET version = version + 1 WHERE id = :slot_id AND taken = :taken"

counts_compared = Mutant(
    "HARD-05.1",
    "A request that waits for its turn compares the count of taken places, not the version: if customers "
    "left, the slot shrank and filled up again, it gets a place that the slot no longer has.",
    # A team that relies on the check in the code has none in the schema.
    schema=("ALTER TABLE slots DROP CONSTRAINT slots_taken_within_capacity",),
)


@counts_compared.replace(store.lock_slot)
async def one_if_as_many_are_taken(uow: UnitOfWork, slot_id: UUID) -> Row[Any] | None:
    return (await all_if_as_many_are_taken(uow, [slot_id])).get(slot_id)


@counts_compared.replace(store.lock_slots)
async def all_if_as_many_are_taken(uow: UnitOfWork, slot_ids: Sequence[UUID]) -> dict[UUID, Row[Any]]:
    while True:
        seen = await uow.all(READ, slot_ids=list(slot_ids))
        turns = [await uow.execute(TAKE_THE_TURN, slot_id=slot.id, taken=slot.taken) for slot in seen]
        if all(turns):
            return {slot.id: slot for slot in seen}
