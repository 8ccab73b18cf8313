"""SYS-03, concurrent booking: one of several paths to a place does it differently."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Row

from reference_system.booking.accounts.authentication import Caller
from reference_system.booking.bookings import service
from reference_system.booking.bookings import store as bookings
from reference_system.booking.holds import service as holds
from reference_system.booking.holds import store as held
from reference_system.booking.platform.db import UnitOfWork
from reference_system.booking.platform.problems import NOT_FOUND, Problem
from reference_system.booking.venues import places, store
from reference_system.booking.venues import service as venues
from reference_system.mutants.mutant import Mutant

NO_CONSTRAINT = "ALTER TABLE slots DROP CONSTRAINT slots_taken_within_capacity"

unlocked_hold = Mutant(
    "SYS-03.7",
    "A checkout that begins reads the slot without its lock: two customers hold the last place, or one holds "
    "it while the other books it.",
    schema=(NO_CONSTRAINT,),
    also_opens={
        "SYS-03.b": "a hold comes for a place that another operation set free, if such a race is drawn",
        "SYS-03.d": "with slow statements the checkouts of a burst hit that moment too",
        "SYS-03.e": "with slow statements the checkouts of a burst hit that moment too",
    },
)


@unlocked_hold.replace(holds.take)
async def take_without_a_lock(
    uow: UnitOfWork, *, slot_id: UUID, customer_id: UUID, checkout_id: UUID, now: datetime, ttl_s: float
) -> datetime:
    slot = await store.read_slot(uow, slot_id)
    if slot is None:
        raise Problem(NOT_FOUND, "There is no such slot.")
    if not places.has_place(slot):
        raise Problem(places.SOLD_OUT)
    until = holds.expiry(now, ttl_s)
    ids = {"hold_id": uuid4(), "slot_id": slot_id, "customer_id": customer_id, "checkout_id": checkout_id}
    await held.add_hold(uow, **ids, expires_at=until)
    return until


# The trigger without the rule that a cancelled booking stays cancelled.
CONFIRMED_AGAIN = """
CREATE OR REPLACE FUNCTION public.bookings_take_place() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM public.move_place(
        CASE WHEN TG_OP = 'UPDATE' AND OLD.status = 'confirmed' THEN OLD.slot_id END,
        CASE WHEN NEW.status = 'confirmed' THEN NEW.slot_id END);
    RETURN NULL;
END $$
"""
CONFIRM_ELSEWHERE = """
UPDATE bookings SET slot_id = :slot_id, status = 'confirmed', cancelled_at = NULL, version = version + 1
WHERE id = :booking_id
RETURNING id, slot_id, customer_id, checkout_id, status, created_at, cancelled_at, version
"""

frees_first = Mutant(
    "SYS-03.8",
    "A booking that is moved gives its place back before it has the new one: if the new slot is full, "
    "somebody else has the old place, or nobody.",
    schema=(CONFIRMED_AGAIN,),
    also_opens={
        "SYS-03.a": "a booking that is moved into the last place ends without any place if it loses",
        "SYS-03.d": "in a burst the target of a move is taken too",
        "SYS-03.e": "in a burst the target of a move is taken too",
    },
)


@frees_first.replace(service.reschedule)
async def cancel_then_book(
    uow: UnitOfWork, *, booking_id: UUID, slot_id: UUID, by: Caller, now: datetime
) -> Row[Any]:
    booking = await service._lock_confirmed(uow, booking_id, by)
    if booking.slot_id == slot_id:
        raise Problem(service.SAME_SLOT)
    await bookings.cancel_booking(uow, booking_id=booking_id, now=now)
    await uow._connection.commit()  # so that a deadlock with another move cannot happen
    slot = await places.claim(uow, slot_id)
    if places.has_started(slot, now):
        raise Problem(places.SLOT_STARTED)
    return await uow.one(CONFIRM_ELSEWHERE, booking_id=booking_id, slot_id=slot_id)


revived = Mutant(
    "SYS-03.9",
    "A booking is moved while it is cancelled: both are told that it worked, and it holds a place for good.",
    schema=(CONFIRMED_AGAIN,),
    also_opens={
        "SYS-03.d": "with slow statements a burst's cancellation and move of one booking meet as well",
        "SYS-03.e": "with slow statements a burst's cancellation and move of one booking meet as well",
    },
)
revived.edit(bookings.LOCK_BOOKING, "\nFOR UPDATE", "")
revived.edit(bookings.MOVE_BOOKING, bookings.MOVE_BOOKING, CONFIRM_ELSEWHERE)


# A hold that is released a second time frees its place a second time.
FREED_AT_EVERY_RELEASE = """
CREATE OR REPLACE FUNCTION public.holds_take_place() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM public.move_place(
        CASE WHEN TG_OP = 'UPDATE' THEN OLD.slot_id END,
        CASE WHEN NEW.released_at IS NULL THEN NEW.slot_id END);
    RETURN NULL;
END $$
"""

frees_a_paid_place = Mutant(
    "SYS-03.10",
    "The expiry of a hold that was paid at the same moment frees the place of the booking: it is sold again.",
    schema=(FREED_AT_EVERY_RELEASE,),
)
frees_a_paid_place.edit(held.EXPIRED_CHECKOUTS, "FOR UPDATE OF checkout SKIP LOCKED", "")
frees_a_paid_place.edit(held.RELEASE_HOLD, " AND released_at IS NULL", "")


remembers_full = Mutant(
    "SYS-03.11",
    "Each process remembers that a slot is full and forgets it only when it frees a place itself: what "
    "another process set free cannot be bought.",
    also_opens={
        "SYS-03.a": "a customer who moves into the last place leaves one that cannot be bought",
        "SYS-03.d": "what a burst sets free at one replica cannot be bought at the other",
        "SYS-03.e": "what a burst sets free at one replica cannot be bought at the other",
    },
)
_FULL: set[UUID] = set()


@remembers_full.wrap(service.book)
async def book_unless_known_as_full(
    book: Any, uow: UnitOfWork, *, slot_id: UUID, customer_id: UUID, now: datetime
) -> Row[Any]:
    if slot_id in _FULL:
        raise Problem(places.SOLD_OUT)
    try:
        booked: Row[Any] = await book(uow, slot_id=slot_id, customer_id=customer_id, now=now)
    except Problem as problem:
        if problem.kind is places.SOLD_OUT:
            _FULL.add(slot_id)
        raise
    return booked


@remembers_full.wrap(bookings.cancel_booking)
async def forget_full(cancel: Any, uow: UnitOfWork, *, booking_id: UUID, now: datetime) -> Row[Any] | None:
    cancelled: Row[Any] | None = await cancel(uow, booking_id=booking_id, now=now)
    if cancelled is not None:
        _FULL.discard(cancelled.slot_id)
    return cancelled


shrinks_below = Mutant(
    "SYS-03.12",
    "A slot is made smaller on the strength of a count read without its lock: a booking made meanwhile is "
    "one too many.",
    schema=(NO_CONSTRAINT,),
    also_opens={
        "SYS-03.d": "with slow statements a burst hits the moment in between too",
        "SYS-03.e": "with slow statements a burst hits the moment in between too",
    },
)


@shrinks_below.replace(venues.resize)
async def resize_after_a_look(
    uow: UnitOfWork, *, slot_id: UUID, capacity: int, actor: UUID, now: datetime
) -> None:
    slot = await store.read_slot(uow, slot_id)
    if slot is None:
        raise Problem(NOT_FOUND, "There is no such slot.")
    if capacity < slot.taken:
        raise Problem(venues.CAPACITY_BELOW_TAKEN, taken=slot.taken)
    await store.set_capacity(uow, slot_id=slot_id, capacity=capacity)
