"""Waiting for a place in a slot."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from overbooked.capabilities import RecordKind, declare
from overbooked.targets.actions import Action
from overbooked.targets.adapter import Account, Slot


@dataclass(frozen=True, slots=True)
class WaitlistEntry:
    """A customer that waits for a place."""

    id: str
    slot: str
    customer: str


class Waitlist(Protocol):
    """Join the waitlist of a slot."""

    def join(self, who: Account, slot: Slot) -> Action:
        """Wait for a place; REFUSED (409) for a customer that waits already."""


WAITLIST_ENTRIES = RecordKind("waitlist_entries", WaitlistEntry)
WAITLIST = declare("waitlist", Waitlist, records=(WAITLIST_ENTRIES,))
