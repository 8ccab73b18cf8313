"""Bookings in the database; triggers count the places they take."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row

from reference_system.booking.platform.db import Database, UnitOfWork

ADD_BOOKING = """
INSERT INTO bookings (id, slot_id, customer_id, checkout_id, status, created_at)
VALUES (:id, :slot_id, :customer_id, :checkout_id, 'confirmed', :now)
RETURNING id, slot_id, customer_id, checkout_id, status, created_at, cancelled_at, version
"""
READ_BOOKING = """
SELECT id, slot_id, customer_id, checkout_id, status, created_at, cancelled_at, version FROM bookings
WHERE id = :booking_id
"""
BOOKINGS_OF_CUSTOMER = """
SELECT id, slot_id, customer_id, checkout_id, status, created_at, cancelled_at, version FROM bookings
WHERE customer_id = :customer_id
ORDER BY created_at DESC, id
LIMIT :limit
"""
BOOKING_OF_CHECKOUT = """
SELECT id, slot_id, customer_id, checkout_id, status, created_at, cancelled_at, version FROM bookings
WHERE checkout_id = :checkout_id
"""
# The checkout that paid for it is locked first, as in all code that handles a payment.
LOCK_BOOKING = """
WITH paid AS MATERIALIZED (
    SELECT id FROM checkouts
    WHERE id = (SELECT checkout_id FROM bookings WHERE id = :booking_id)
    FOR UPDATE
)
SELECT booking.id, booking.slot_id, booking.customer_id, paid.id AS checkout_id, booking.status,
    booking.created_at, booking.cancelled_at, booking.version
FROM bookings AS booking LEFT JOIN paid ON true
WHERE booking.id = :booking_id
FOR UPDATE
"""
CANCEL_BOOKING = """
UPDATE bookings SET status = 'cancelled', cancelled_at = :now, version = version + 1
WHERE id = :booking_id AND status = 'confirmed'
RETURNING id, slot_id, customer_id, checkout_id, status, created_at, cancelled_at, version
"""
MOVE_BOOKING = """
UPDATE bookings SET slot_id = :slot_id, version = version + 1
WHERE id = :booking_id AND status = 'confirmed'
RETURNING id, slot_id, customer_id, checkout_id, status, created_at, cancelled_at, version
"""


async def add_booking(
    uow: UnitOfWork,
    *,
    booking_id: UUID,
    slot_id: UUID,
    customer_id: UUID,
    checkout_id: UUID | None,
    now: datetime,
) -> Row[Any]:
    """Add a booking. Raises ConstraintViolated: `slots_taken_within_capacity`, `bookings_one_a_checkout`."""
    return await uow.one(
        ADD_BOOKING, id=booking_id, slot_id=slot_id, customer_id=customer_id, checkout_id=checkout_id, now=now
    )


async def read_booking(source: UnitOfWork | Database, booking_id: UUID) -> Row[Any] | None:
    """Return the booking without a lock."""
    return await source.first(READ_BOOKING, booking_id=booking_id)


async def bookings_of_customer(
    source: UnitOfWork | Database, *, customer_id: UUID, limit: int
) -> Sequence[Row[Any]]:
    """A customer's bookings, newest first."""
    return await source.all(BOOKINGS_OF_CUSTOMER, customer_id=customer_id, limit=limit)


async def booking_of_checkout(source: UnitOfWork | Database, checkout_id: UUID) -> Row[Any] | None:
    """Return the booking that a checkout paid for."""
    return await source.first(BOOKING_OF_CHECKOUT, checkout_id=checkout_id)


async def lock_booking(uow: UnitOfWork, booking_id: UUID) -> Row[Any] | None:
    """Return the booking; its checkout, if any, and then its own row are locked until the commit."""
    return await uow.first(LOCK_BOOKING, booking_id=booking_id)


async def cancel_booking(uow: UnitOfWork, *, booking_id: UUID, now: datetime) -> Row[Any] | None:
    """Cancel a booking; returns it, or None if it was not confirmed."""
    return await uow.first(CANCEL_BOOKING, booking_id=booking_id, now=now)


async def move_booking(uow: UnitOfWork, *, booking_id: UUID, slot_id: UUID) -> Row[Any] | None:
    """Move a booking; returns it, or None if it was not confirmed."""
    return await uow.first(MOVE_BOOKING, booking_id=booking_id, slot_id=slot_id)
