"""The capacity rule: a slot is never sold beyond its places.

A transaction that takes a place locks the slot, checks it and then writes. Triggers count the places taken,
and a check constraint refuses any excess.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row

from reference_system.booking.platform import error_handlers
from reference_system.booking.platform.db import UnitOfWork
from reference_system.booking.platform.problems import NOT_FOUND, Kind, Problem
from reference_system.booking.venues import store

SOLD_OUT = Kind("sold-out", 409, "Every place of the slot is taken")
SLOT_STARTED = Kind("slot-started", 409, "The slot has started")
error_handlers.refuse("slots_taken_within_capacity", SOLD_OUT)


def has_place(slot: Row[Any]) -> bool:
    """Whether a locked slot has a free place."""
    return bool(slot.taken < slot.capacity)


def has_started(slot: Row[Any], now: datetime) -> bool:
    """Whether a slot has started, so that it can no longer be booked."""
    return bool(now >= slot.starts_at)


async def claim(uow: UnitOfWork, slot_id: UUID) -> Row[Any]:
    """Lock a slot with a free place; the caller takes the place in the same transaction.

    Raises Problem: NOT_FOUND (404), SOLD_OUT (409); then nothing was written.
    """
    slot = await store.lock_slot(uow, slot_id)
    if slot is None:
        raise Problem(NOT_FOUND, "There is no such slot.")
    if not has_place(slot):
        raise Problem(SOLD_OUT)
    return slot
