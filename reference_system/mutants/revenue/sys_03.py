"""SYS-03, concurrent booking: one place is sold twice."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Row

from reference_system.booking.bookings import service
from reference_system.booking.bookings import store as bookings
from reference_system.booking.platform.db import UnitOfWork
from reference_system.booking.platform.problems import NOT_FOUND, Problem
from reference_system.booking.venues import places, store
from reference_system.mutants.mutant import Mutant

# A team that relies on the check in the code has none in the schema.
NO_CONSTRAINT = "ALTER TABLE slots DROP CONSTRAINT slots_taken_within_capacity"
LOCKS = "\nFOR NO KEY UPDATE"

no_lock = Mutant(
    "SYS-03.1",
    "Two customers who read the last place at the same time both get it.",
    schema=(NO_CONSTRAINT,),
    cites="calcom/cal.diy#13397; LibreBooking#147; alextselegidis/easyappointments#31",
)
no_lock.edit(store.LOCK_SLOT, LOCKS, "")
no_lock.edit(store.LOCK_SLOTS, LOCKS, "")


late_lock = Mutant(
    "SYS-03.2",
    "The slot is locked only after its free place was read, so two requests that read it both get it.",
    schema=(NO_CONSTRAINT,),
)


@late_lock.replace(places.claim)
async def claim_then_lock(uow: UnitOfWork, slot_id: UUID) -> Row[Any]:
    slot = await store.read_slot(uow, slot_id)
    if slot is None:
        raise Problem(NOT_FOUND, "There is no such slot.")
    if not places.has_place(slot):
        raise Problem(places.SOLD_OUT)
    await store.lock_slot(uow, slot_id)
    return slot


early_unlock = Mutant(
    "SYS-03.3",
    "The slot is unlocked before the booking commits: the next request books the same place.",
    schema=(NO_CONSTRAINT,),
)
early_unlock.edit(store.LOCK_SLOT, LOCKS, "")
early_unlock.edit(store.LOCK_SLOTS, LOCKS, "")


@early_unlock.replace(service.book)
async def book_under_an_own_lock(
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


early_version = Mutant(
    "SYS-03.4",
    "The version that guards the last place is read outside the transaction, after the free place was "
    "read: a sale between the two goes unnoticed.",
    schema=(NO_CONSTRAINT,),
    also_opens={
        "SYS-03.c": "with slow statements a burst hits the moment in between too",
        "SYS-03.d": "with slow statements a burst hits the moment in between too",
        "SYS-03.e": "with slow statements a burst hits the moment in between too",
    },
)
TAKE_THE_TURN = "UPDATE slots SET version = version + 1 WHERE id = :slot_id AND version = :version"


@early_version.replace(service.book)
async def book_by_an_early_version(
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
        await uow._connection.commit()  # so that the reads are outside the following transaction
        if seen and await uow.execute(TAKE_THE_TURN, slot_id=slot_id, version=seen.version):
            return await service._confirm(
                uow, slot_id=slot_id, customer_id=customer_id, checkout_id=None, now=now
            )


# A second cancellation of a booking frees its place a second time.
FREED_AT_EVERY_CANCEL = """
CREATE OR REPLACE FUNCTION public.bookings_take_place() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM public.move_place(
        CASE WHEN TG_OP = 'UPDATE' THEN OLD.slot_id END,
        CASE WHEN NEW.status = 'confirmed' THEN NEW.slot_id END);
    RETURN NULL;
END $$
"""

double_cancel = Mutant(
    "SYS-03.5",
    "A booking cancelled twice at the same time frees two places, and one more is sold than there are.",
    schema=(FREED_AT_EVERY_CANCEL,),
)
double_cancel.edit(bookings.LOCK_BOOKING, "\nFOR UPDATE", "")
double_cancel.edit(bookings.CANCEL_BOOKING, " AND status = 'confirmed'", "")


one_statement = Mutant(
    "SYS-03.6",
    "A statement that counts the places and books one does not see a booking made at the same moment: "
    "two customers get the last place.",
    schema=(NO_CONSTRAINT,),
)
BOOK_AT_ONCE = """
INSERT INTO bookings (id, slot_id, customer_id, status, created_at)
SELECT :id, :slot_id, :customer_id, 'confirmed', :now FROM slots WHERE id = :slot_id AND taken < capacity
RETURNING id, slot_id, customer_id, checkout_id, status, created_at, cancelled_at, version
"""


@one_statement.replace(service.book)
async def book_in_one_statement(
    uow: UnitOfWork, *, slot_id: UUID, customer_id: UUID, now: datetime
) -> Row[Any]:
    slot = await store.read_slot(uow.database, slot_id)
    if slot is None:
        raise Problem(NOT_FOUND, "There is no such slot.")
    if places.has_started(slot, now):
        raise Problem(places.SLOT_STARTED)
    # It reads and writes in one statement, so it needs no transaction.
    booked = await uow.database.first(
        BOOK_AT_ONCE, id=uuid4(), slot_id=slot_id, customer_id=customer_id, now=now
    )
    if booked is None:
        raise Problem(places.SOLD_OUT)
    return booked
