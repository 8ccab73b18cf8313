"""Booking without payment: book, cancel, move, change a slot's capacity."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import asyncpg

from overbooked.capabilities.booking import BOOKING, BOOKINGS, BookingRow
from overbooked.capabilities.rescheduling import RESCHEDULING
from overbooked.capabilities.resizing import RESIZING
from overbooked.targets.adapter import Account, Action, Slot
from reference_system.target.connections import Connections
from reference_system.target.parts import RecordQuery, offers, text_of
from reference_system.target.requests import action, request
from reference_system.target.sessions import token_of

PLACES = """
SELECT capacity, (SELECT count(*) FROM bookings WHERE slot_id = slots.id AND status = 'confirmed') AS taken
FROM slots WHERE id = $1
"""


BOOKING_ROWS = """
SELECT id, slot_id, customer_id, status, checkout_id FROM bookings
WHERE ($1::uuid[] IS NULL AND $2::uuid[] IS NULL) OR slot_id = ANY($1) OR checkout_id = ANY($2)
ORDER BY created_at, id
"""


def _row(row: asyncpg.Record) -> BookingRow:
    return BookingRow(
        id=str(row["id"]),
        slot=str(row["slot_id"]),
        customer=str(row["customer_id"]),
        status=row["status"],
        checkout=text_of(row["checkout_id"]),
    )


@offers(BOOKING, RESCHEDULING, RESIZING, records=[RecordQuery(BOOKINGS, BOOKING_ROWS, _row)])
class Bookings:
    """Book, cancel, reschedule, and change a slot's capacity."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def book(self, who: Account, slot: Slot, *, key: str | None = None) -> Action:
        """POST /bookings; facts: `booking`."""
        args = {"slot": slot.id} | ({"key": key} if key else {})
        sent = request("POST", "/bookings", {"slot_id": slot.id}, token=token_of(who), key=key)
        return action("book", who, sent, _booking, args)

    def cancel(self, who: Account, booking: str) -> Action:
        """POST /bookings/{id}/cancel."""
        sent = request("POST", f"/bookings/{booking}/cancel", token=token_of(who))
        return action("cancel", who, sent, _nothing, {"booking": booking})

    def reschedule(self, who: Account, booking: str, to: Slot) -> Action:
        """POST /bookings/{id}/reschedule."""
        sent = request("POST", f"/bookings/{booking}/reschedule", {"slot_id": to.id}, token=token_of(who))
        return action("reschedule", who, sent, _nothing, {"booking": booking, "to": to.id})

    def resize(self, slot: Slot, capacity: int) -> Action:
        """PATCH /slots/{id}, by the operator."""
        sent = request(
            "PATCH", f"/slots/{slot.id}", {"capacity": capacity}, token=self._connections.operator_token
        )
        return action("resize", "operator", sent, _nothing, {"slot": slot.id, "capacity": capacity})

    async def places(self, slot: Slot) -> tuple[int, int]:
        """(capacity, confirmed bookings) as the database has them."""
        async with self._connections.observer.transaction(readonly=True) as database:
            row = await database.fetchrow(PLACES, UUID(slot.id))
        if row is None:
            raise LookupError(f"there is no slot {slot.id}")
        return int(row["capacity"]), int(row["taken"])


def _booking(document: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"booking": str(document["id"])}


def _nothing(_document: Mapping[str, Any]) -> Mapping[str, Any]:
    return {}
