"""Moving a booking to another slot."""

from __future__ import annotations

from typing import Protocol

from overbooked.capabilities import declare
from overbooked.targets.actions import Action
from overbooked.targets.adapter import Account, Slot


class Rescheduling(Protocol):
    """Move a booking."""

    def reschedule(self, who: Account, booking: str, to: Slot) -> Action:
        """Move a confirmed booking to another slot, all or nothing."""


RESCHEDULING = declare("rescheduling", Rescheduling)
