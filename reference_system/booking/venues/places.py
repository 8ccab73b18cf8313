"""The rule of the house: a slot never has more takers than places.

Who takes a place locks the slot, looks, and then writes; triggers count, and a check of the schema
refuses whatever comes past all that.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row

from reference_system.booking import failures
from reference_system.booking.db import UnitOfWork
from reference_system.booking.problems import NOT_FOUND, Kind, Problem
from reference_system.booking.venues import store

SOLD_OUT = Kind("sold-out", 409, "Every place of the slot is taken")
SLOT_STARTED = Kind("slot-started", 409, "The slot has started")
failures.refuse("slots_taken_within_capacity", SOLD_OUT)


def has_place(slot: Row[Any]) -> bool:
    """Whether a place of a (locked) slot is free."""
    return bool(slot.taken < slot.capacity)


def has_started(slot: Row[Any], now: datetime) -> bool:
    """Whether it is too late to get into a slot."""
    return bool(now >= slot.starts_at)


async def claim(uow: UnitOfWork, slot_id: UUID) -> Row[Any]:
    """Lock a slot that has a place to give; the caller takes it in the same transaction.

    Raises Problem: NOT_FOUND (404), SOLD_OUT (409). Nothing was written then.
    """
    slot = await store.lock_slot(uow, slot_id)
    if slot is None:
        raise Problem(NOT_FOUND, "There is no such slot.")
    if not has_place(slot):
        raise Problem(SOLD_OUT)
    return slot
