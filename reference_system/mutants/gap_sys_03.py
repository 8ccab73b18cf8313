"""SYS-03, concurrent booking: mistakes by which one place is sold twice."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Row

from reference_system.booking.bookings import service
from reference_system.booking.db import UnitOfWork
from reference_system.booking.problems import NOT_FOUND, Problem
from reference_system.booking.venues import places, store
from reference_system.mutants.mutant import Edit, Mutant, Replace

_STORE = "reference_system.booking.venues.store"
_BOOKINGS = "reference_system.booking.bookings.store"

# Whoever trusts the code to check does not have the schema check too.
_NO_CONSTRAINT = "ALTER TABLE slots DROP CONSTRAINT slots_taken_within_capacity"


async def _claim_then_lock(uow: UnitOfWork, slot_id: UUID) -> Row[Any]:
    slot = await store.read_slot(uow, slot_id)
    if slot is None:
        raise Problem(NOT_FOUND, "There is no such slot.")
    if not places.has_place(slot):
        raise Problem(places.SOLD_OUT)
    await store.lock_slot(uow, slot_id)
    return slot


async def _book_under_a_lock_of_its_own(
    uow: UnitOfWork, *, slot_id: UUID, customer_id: UUID, now: datetime
) -> Row[Any]:
    await uow.execute("SELECT pg_advisory_lock(hashtext(:slot))", slot=str(slot_id))
    try:
        slot = await places.claim(uow, slot_id)
        if places.has_started(slot, now):
            raise Problem(places.SLOT_STARTED)
        return await service._confirm(
            uow, slot_id=slot_id, customer_id=customer_id, checkout_id=None, now=now
        )
    finally:
        await uow.execute("SELECT pg_advisory_unlock(hashtext(:slot))", slot=str(slot_id))


_TAKE_THE_TURN = "UPDATE slots SET version = version + 1 WHERE id = :slot_id AND version = :version"


async def _book_by_an_early_version(
    uow: UnitOfWork, *, slot_id: UUID, customer_id: UUID, now: datetime
) -> Row[Any]:
    while True:
        slot = await store.read_slot(uow, slot_id)
        if slot is None:
            raise Problem(NOT_FOUND, "There is no such slot.")
        if not places.has_place(slot):
            raise Problem(places.SOLD_OUT)
        if places.has_started(slot, now):
            raise Problem(places.SLOT_STARTED)
        seen = await store.read_slot(uow, slot_id)
        await uow._connection.commit()  # what was read, was read outside the transaction that follows
        if seen and await uow.execute(_TAKE_THE_TURN, slot_id=slot_id, version=seen.version):
            return await service._confirm(
                uow, slot_id=slot_id, customer_id=customer_id, checkout_id=None, now=now
            )


_BOOK_AT_ONCE = """
INSERT INTO bookings (id, slot_id, customer_id, status, created_at)
SELECT :id, :slot_id, :customer_id, 'confirmed', :now FROM slots WHERE id = :slot_id AND taken < capacity
RETURNING id, slot_id, customer_id, checkout_id, status, created_at, cancelled_at, version
"""


async def _book_in_one_statement(
    uow: UnitOfWork, *, slot_id: UUID, customer_id: UUID, now: datetime
) -> Row[Any]:
    slot = await store.read_slot(uow.database, slot_id)
    if slot is None:
        raise Problem(NOT_FOUND, "There is no such slot.")
    if places.has_started(slot, now):
        raise Problem(places.SLOT_STARTED)
    # It looks and writes at once, so it needs no transaction.
    booked = await uow.database.first(
        _BOOK_AT_ONCE, id=uuid4(), slot_id=slot_id, customer_id=customer_id, now=now
    )
    if booked is None:
        raise Problem(places.SOLD_OUT)
    return booked


# A cancelled booking that is cancelled once more gives its place back once more.
_FREED_WHENEVER_CANCELLED = """
CREATE OR REPLACE FUNCTION public.bookings_take_place() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM public.move_place(
        CASE WHEN TG_OP = 'UPDATE' THEN OLD.slot_id END,
        CASE WHEN NEW.status = 'confirmed' THEN NEW.slot_id END);
    RETURN NULL;
END $$
"""

MUTANTS = (
    Mutant(
        id="SYS-03.1",
        harm="Two customers who look at the last place at once both get it.",
        substitutions=(
            Edit(f"{_STORE}:LOCK_SLOT", "\nFOR NO KEY UPDATE", ""),
            Edit(f"{_STORE}:LOCK_SLOTS", "\nFOR NO KEY UPDATE", ""),
        ),
        schema=(_NO_CONSTRAINT,),
        cites="calcom/cal.diy#13397; LibreBooking#147; alextselegidis/easyappointments#31",
    ),
    Mutant(
        id="SYS-03.2",
        harm="The slot is locked only after it was seen to have a place, so both who saw it get one.",
        substitutions=(Replace("reference_system.booking.venues.places:claim", _claim_then_lock),),
        schema=(_NO_CONSTRAINT,),
    ),
    Mutant(
        id="SYS-03.3",
        harm="The slot is unlocked before the booking is committed: the next in line books the place too.",
        substitutions=(
            Edit(f"{_STORE}:LOCK_SLOT", "\nFOR NO KEY UPDATE", ""),
            Edit(f"{_STORE}:LOCK_SLOTS", "\nFOR NO KEY UPDATE", ""),
            Replace("reference_system.booking.bookings.service:book", _book_under_a_lock_of_its_own),
        ),
        schema=(_NO_CONSTRAINT,),
    ),
    Mutant(
        id="SYS-03.4",
        harm="The version that guards the last place is read outside the transaction, after the look at "
        "the place: one sold between the two goes unnoticed.",
        substitutions=(Replace("reference_system.booking.bookings.service:book", _book_by_an_early_version),),
        schema=(_NO_CONSTRAINT,),
        also_opens=dict.fromkeys(
            ("SYS-03.c", "SYS-03.d", "SYS-03.e"),
            "with slow statements a burst hits the moment in between too",
        ),
    ),
    Mutant(
        id="SYS-03.5",
        harm="A booking cancelled twice at once frees two places, and one more is sold than there are.",
        substitutions=(
            Edit(f"{_BOOKINGS}:LOCK_BOOKING", "\nFOR UPDATE", ""),
            Edit(f"{_BOOKINGS}:CANCEL_BOOKING", " AND status = 'confirmed'", ""),
        ),
        schema=(_FREED_WHENEVER_CANCELLED,),
    ),
    Mutant(
        id="SYS-03.6",
        harm="A statement that counts the places and books one does not see who books in the same moment: "
        "two get the last place.",
        substitutions=(Replace("reference_system.booking.bookings.service:book", _book_in_one_statement),),
        schema=(_NO_CONSTRAINT,),
    ),
)
