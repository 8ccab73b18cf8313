"""Changing the capacity of a slot."""

from __future__ import annotations

from typing import Protocol

from overbooked.capabilities import declare, sent_by_operator
from overbooked.targets.actions import Action
from overbooked.targets.adapter import Slot


class Resizing(Protocol):
    """Change a slot's capacity."""

    @sent_by_operator
    def resize(self, slot: Slot, capacity: int) -> Action:
        """Change a slot's capacity, by its operator; REFUSED below what is sold."""


RESIZING = declare("resizing", Resizing)
