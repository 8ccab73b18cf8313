"""Joining the waitlist of a slot, and its entries."""

from __future__ import annotations

import asyncpg
from overbooked.capabilities.waitlist import WAITLIST, WAITLIST_ENTRIES, WaitlistEntry

from overbooked.targets.adapter import Account, Action, Slot
from reference_system.target.connections import Connections
from reference_system.target.parts import RecordQuery, offers
from reference_system.target.requests import action, request
from reference_system.target.sessions import token_of

ENTRY_ROWS = """
SELECT id, slot_id, customer_id FROM waitlist_entries
WHERE ($1::uuid[] IS NULL AND $2::uuid[] IS NULL) OR slot_id = ANY($1)
ORDER BY created_at, id
"""


def _row(row: asyncpg.Record) -> WaitlistEntry:
    return WaitlistEntry(str(row["id"]), str(row["slot_id"]), str(row["customer_id"]))


@offers(WAITLIST, records=[RecordQuery(WAITLIST_ENTRIES, ENTRY_ROWS, _row)])
class WaitlistRequests:
    """Requests of the waitlist."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def join(self, who: Account, slot: Slot) -> Action:
        """POST /slots/{id}/waitlist."""
        sent = request("POST", f"/slots/{slot.id}/waitlist", token=token_of(who))
        return action("join waitlist", who, sent, lambda _: {}, {"slot": slot.id})
