"""Booking, cancelling and rescheduling.

Locks are always taken in this order: checkout, booking, slots by id, payment, refund.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Row

from reference_system.booking.accounts.authentication import Caller
from reference_system.booking.audit import store as audit
from reference_system.booking.bookings import store
from reference_system.booking.payments import refunds
from reference_system.booking.payments import store as payments
from reference_system.booking.platform.db import Database, UnitOfWork
from reference_system.booking.platform.problems import NOT_FOUND, Kind, Problem
from reference_system.booking.venues import places
from reference_system.booking.venues import store as slots

ALREADY_CANCELLED = Kind("already-cancelled", 409, "The booking is cancelled")
SAME_SLOT = Kind("same-slot", 409, "The booking is for this slot already")


async def book(uow: UnitOfWork, *, slot_id: UUID, customer_id: UUID, now: datetime) -> Row[Any]:
    """Book a place that is paid for at the venue.

    Raises Problem: NOT_FOUND (404), SOLD_OUT or SLOT_STARTED (409); then nothing was written.
    """
    slot = await places.claim(uow, slot_id)
    if places.has_started(slot, now):
        raise Problem(places.SLOT_STARTED)
    return await _confirm(uow, slot_id=slot_id, customer_id=customer_id, checkout_id=None, now=now)


async def confirm(
    uow: UnitOfWork, *, slot_id: UUID, customer_id: UUID, checkout_id: UUID, now: datetime
) -> Row[Any]:
    """Book the place of a paid checkout, after its hold was released in the same transaction.

    Raises Problem SOLD_OUT (409) if the place is lost; then nothing was written, and the transaction can
    continue with the compensation.
    """
    await places.claim(uow, slot_id)
    return await _confirm(uow, slot_id=slot_id, customer_id=customer_id, checkout_id=checkout_id, now=now)


async def cancel(uow: UnitOfWork, *, booking_id: UUID, by: Caller, now: datetime) -> Row[Any]:
    """Cancel a booking, free its place and record the refund that is owed.

    Raises Problem: NOT_FOUND (404, also for another customer's), ALREADY_CANCELLED (409).
    """
    await _lock_confirmed(uow, booking_id, by)
    return await cancel_locked(uow, booking_id=booking_id, actor=by.customer_id, reason="cancelled", now=now)


async def cancel_locked(
    uow: UnitOfWork, *, booking_id: UUID, actor: UUID | str, reason: str, now: datetime
) -> Row[Any]:
    """Cancel a booking; it and its checkout are locked already. Record the owed refund."""
    cancelled = await store.cancel_booking(uow, booking_id=booking_id, now=now)
    if cancelled is None:
        raise Problem(ALREADY_CANCELLED)
    owed = await owe_back(uow, cancelled.checkout_id, reason=reason, now=now) if cancelled.checkout_id else []
    await audit.record(
        uow,
        at=now,
        actor=actor,
        action="cancelled",
        entity="booking",
        entity_id=booking_id,
        reason=reason,
        refunds=owed,
    )
    return cancelled


async def owe_back(uow: UnitOfWork, checkout_id: UUID, *, reason: str, now: datetime) -> list[UUID]:
    """Record refunds of all that is left of a checkout's payments; returns their ids."""
    owed = []
    for payment in await payments.lock_payments_of_checkout(uow, checkout_id):
        left_minor = payment.captured_minor - payment.refunded_minor
        refund_id = await refunds.owe(uow, payment, left_minor=left_minor, reason=reason, now=now)
        if refund_id is not None:
            owed.append(refund_id)
    return owed


async def reschedule(
    uow: UnitOfWork, *, booking_id: UUID, slot_id: UUID, by: Caller, now: datetime
) -> Row[Any]:
    """Move a booking to another slot, all or nothing, at its present price.

    Raises Problem: NOT_FOUND (404), ALREADY_CANCELLED, SAME_SLOT, SLOT_STARTED or SOLD_OUT (409).
    """
    booking = await _lock_confirmed(uow, booking_id, by)
    if booking.slot_id == slot_id:
        raise Problem(SAME_SLOT)
    locked = await slots.lock_slots(uow, [booking.slot_id, slot_id])
    if slot_id not in locked:
        raise Problem(NOT_FOUND, "There is no such slot.")
    if places.has_started(locked[slot_id], now):
        raise Problem(places.SLOT_STARTED)
    if not places.has_place(locked[slot_id]):
        raise Problem(places.SOLD_OUT)
    moved = await store.move_booking(uow, booking_id=booking_id, slot_id=slot_id)
    if moved is None:
        raise Problem(ALREADY_CANCELLED)
    await audit.record(
        uow,
        at=now,
        actor=by.customer_id,
        action="rescheduled",
        entity="booking",
        entity_id=booking_id,
        before=booking.slot_id,
        after=slot_id,
    )
    return moved


async def read(database: Database, *, booking_id: UUID, by: Caller) -> Row[Any]:
    """Return a booking of the caller (an operator: any booking); raises Problem (404)."""
    booking = await store.read_booking(database, booking_id)
    if booking is None or not may_see(booking, by):
        raise Problem(NOT_FOUND)
    return booking


def may_see(booking: Row[Any], by: Caller) -> bool:
    """Whether the caller may see a booking."""
    return bool(booking.customer_id == by.customer_id or by.is_operator)


async def _lock_confirmed(uow: UnitOfWork, booking_id: UUID, by: Caller) -> Row[Any]:
    booking = await store.lock_booking(uow, booking_id)
    if booking is None or not may_see(booking, by):
        raise Problem(NOT_FOUND)
    if booking.status != "confirmed":
        raise Problem(ALREADY_CANCELLED)
    return booking


async def _confirm(
    uow: UnitOfWork, *, slot_id: UUID, customer_id: UUID, checkout_id: UUID | None, now: datetime
) -> Row[Any]:
    booking = await store.add_booking(
        uow, booking_id=uuid4(), slot_id=slot_id, customer_id=customer_id, checkout_id=checkout_id, now=now
    )
    await audit.record(
        uow,
        at=now,
        actor=customer_id,
        action="booked",
        entity="booking",
        entity_id=booking.id,
        slot=slot_id,
        checkout=checkout_id,
    )
    return booking
