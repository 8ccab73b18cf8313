"""Booking without payment: book, cancel, move, change a slot's capacity."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from overbooked.targets.adapter import Action, Customer, Slot
from reference_system.target.messages import action, request
from reference_system.target.people import token_of
from reference_system.target.wiring import Wiring

PLACES = """
SELECT capacity, (SELECT count(*) FROM bookings WHERE slot_id = slots.id AND status = 'confirmed') AS taken
FROM slots WHERE id = $1
"""


class Bookings(Wiring):
    """The verbs of Capability.BOOKING."""

    def book(self, who: Customer, slot: Slot, *, key: str | None = None) -> Action:
        """POST /bookings; facts: `booking`."""
        args = {"slot": slot.id} | ({"key": key} if key else {})
        sent = request("POST", "/bookings", {"slot_id": slot.id}, token=token_of(who), key=key)
        return action("book", who, sent, _booking, args)

    def cancel(self, who: Customer, booking: str) -> Action:
        """POST /bookings/{id}/cancel."""
        sent = request("POST", f"/bookings/{booking}/cancel", token=token_of(who))
        return action("cancel", who, sent, _nothing, {"booking": booking})

    def reschedule(self, who: Customer, booking: str, to: Slot) -> Action:
        """POST /bookings/{id}/reschedule."""
        sent = request("POST", f"/bookings/{booking}/reschedule", {"slot_id": to.id}, token=token_of(who))
        return action("reschedule", who, sent, _nothing, {"booking": booking, "to": to.id})

    def resize(self, slot: Slot, capacity: int) -> Action:
        """PATCH /slots/{id}, by the operator."""
        sent = request("PATCH", f"/slots/{slot.id}", {"capacity": capacity}, token=self._operator_token)
        return action("resize", "operator", sent, _nothing, {"slot": slot.id, "capacity": capacity})

    async def places(self, slot: Slot) -> tuple[int, int]:
        """(capacity, confirmed bookings) as the database has them."""
        async with self._observer.transaction(readonly=True) as database:
            row = await database.fetchrow(PLACES, UUID(slot.id))
        if row is None:
            raise LookupError(f"there is no slot {slot.id}")
        return int(row["capacity"]), int(row["taken"])


def _booking(document: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"booking": str(document["id"])}


def _nothing(_document: Mapping[str, Any]) -> Mapping[str, Any]:
    return {}
