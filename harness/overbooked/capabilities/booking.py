"""Booking without payment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from overbooked.capabilities import RecordKind, declare
from overbooked.targets.actions import Action
from overbooked.targets.adapter import Account, Slot


@dataclass(frozen=True, slots=True)
class BookingRow:
    """One booking; `status` is "confirmed" or "cancelled"; `checkout` is set if it was paid by checkout."""

    id: str
    slot: str
    customer: str
    status: str
    checkout: str | None = None


class Booking(Protocol):
    """Book a place, cancel it, count the places taken."""

    def book(self, who: Account, slot: Slot, *, key: str | None = None) -> Action:
        """Facts when OK: `booking`."""

    def cancel(self, who: Account, booking: str) -> Action:
        """Cancel a booking; repeating it on a cancelled booking is REFUSED (409)."""

    async def places(self, slot: Slot) -> tuple[int, int]:
        """Return (capacity, confirmed bookings) of a slot from the database."""


BOOKINGS = RecordKind("bookings", BookingRow)
BOOKING = declare("booking", Booking, records=(BOOKINGS,))
